//! The demo's secrets: plainly fake, written into the folder that the service reads as its secret store.

use std::path::Path;

use super::{erp, hr, utility};
use crate::failure::Failure;

/// A file of the store and what stands in it.
pub(super) struct Secret {
    pub(super) name: &'static str,
    pub(super) value: &'static str,
}

impl Secret {
    /// How a connector refers to it.
    pub(super) fn reference(&self) -> String {
        format!("SecretStore:{}", self.name)
    }
}

/// Puts every secret of the demo into the folder of the store.
pub(super) async fn write_into(folder: &Path) -> Result<(), Failure> {
    for secret in [hr::KEY, hr::EXPIRED_KEY, erp::USER, utility::TOKEN] {
        let path = folder.join(secret.name);
        let cannot = |error| Failure::caused(format_args!("cannot write the demo's secret {}", path.display()), &error);
        tokio::fs::write(&path, secret.value).await.map_err(cannot)?;
    }
    Ok(())
}

//! `connectors audit`: the verdict on the trail, also while no service runs. Nothing is made or changed: a store that is
//! not there stays away, and one of an older schema stays as it is.

use std::sync::Arc;

use application::audit::AuditService;
use domain::audit::Verification;
use infrastructure::storage::{DatabaseUrl, SqlStorage, StorageOptions};

use crate::cli::AuditCommand;
use crate::composition::store_failure;
use crate::config::Config;
use crate::failure::{Causes, Failure};
use crate::terminal;

/// Verifies, and says what came of it.
pub(crate) async fn run(command: AuditCommand, config: &Config) -> Result<(), Failure> {
    let AuditCommand::Verify { head } = command;
    let url = &config.database_url;
    let store = open(url).await.map_err(|failure| Failure::Undecided(failure.to_string()))?;
    let verified = AuditService::new(Arc::new(store.clone())).verify(head).await;
    store.close().await;
    let verification = verified
        .map_err(|error| Failure::Undecided(format!("cannot read the audit of the store {url}: {}", Causes(&error))))?;
    say(verification)
}

async fn open(url: &DatabaseUrl) -> Result<SqlStorage, Failure> {
    if let Some(path) = url.sqlite_path().filter(|path| !path.exists()) {
        return Err(Failure::Failed(format!("there is no store at {}", path.display())));
    }
    let options = StorageOptions { create_missing: false, ..StorageOptions::default() };
    SqlStorage::connect(url, &options).await.map_err(|error| store_failure(url, &error))
}

fn say(verification: Verification) -> Result<(), Failure> {
    let fault = verification.fault.clone();
    terminal::print(api::verification_json(verification))?;
    match fault {
        None => Ok(()),
        Some(fault) => Err(Failure::Failed(format!("the audit is not as it was written: {}", fault.problem))),
    }
}

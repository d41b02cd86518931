//! AWS Secrets Manager. The service's own credentials are those of AWS's default chain, which is not configured here.

use super::super::raw::Wrong;
use super::{Kind, SecretStoreConfig, StoreReader};

const ENDPOINT: &str = "an address without a path, in place of AWS's own";

pub(super) static AWS: Kind = Kind { name: "aws", members: &["region", "endpoint_url", "prefix"], read };

fn read(reader: &mut StoreReader<'_>) -> Option<SecretStoreConfig> {
    let region = reader.parsed("region", "a region, such as `eu-central-1`", Some(None), |text| {
        let fits = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        fits.then(|| Some(text.to_owned())).ok_or(Wrong::Unexpected)
    });
    let endpoint_url = reader.parsed("endpoint_url", ENDPOINT, Some(None), |text| super::address(text).map(Some));
    let prefix = reader.text("prefix", "what the names of the secrets begin with, such as `connectors/`", Some(""));
    Some(SecretStoreConfig::Aws { region: region?, endpoint_url: endpoint_url?, prefix: prefix? })
}

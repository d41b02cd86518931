//! Azure Key Vault.

use std::path::PathBuf;

use infrastructure::secrets::AzureCredential;
use url::Url;

use super::super::raw::Wrong;
use super::{Kind, SecretStoreConfig, StoreReader};

const VAULT: &str = "the address of the vault, such as `https://contoso.vault.azure.net`";
const AUTHORITY: &str = "the address of the cloud's directory, such as `https://login.microsoftonline.us`";
const RESOURCE: &str = "what tokens are for, such as `https://vault.azure.net`";
const FILE: &str = "the path of a file";
const TENANT: &str =
    "the id of the directory, such as `72f988bf-86f1-41af-91ab-2d7cd011db47` or `contoso.onmicrosoft.com`";
const CLIENT: &str = "the id of the application";

/// Which members go with which `auth`.
const PROOFS: [(&str, &[&str]); 3] = [
    ("client-secret", &["tenant_id", "client_id", "client_secret_file"]),
    ("workload-identity", &["tenant_id", "client_id", "token_file"]),
    ("managed-identity", &["client_id"]),
];

pub(super) static AZURE: Kind = Kind {
    name: "azure",
    members: &[
        "vault_url",
        "auth",
        "tenant_id",
        "client_id",
        "client_secret_file",
        "token_file",
        "authority_url",
        "resource",
    ],
    read,
};

fn read(reader: &mut StoreReader<'_>) -> Option<SecretStoreConfig> {
    let vault_url = reader.parsed("vault_url", VAULT, None, secured);
    let authority_url = reader.parsed("authority_url", AUTHORITY, Some(None), |text| secured(text).map(Some));
    let resource = reader.parsed("resource", RESOURCE, Some(None), |text| match Url::parse(text) {
        Ok(url) if url.scheme() == "https" => Ok(Some(text.trim_end_matches('/').to_owned())),
        _ => Err(Wrong::Unexpected),
    });
    let credential = credential(reader);
    Some(SecretStoreConfig::Azure {
        vault_url: vault_url?,
        credential: credential?,
        authority_url: authority_url?,
        resource: resource?,
    })
}

/// Tokens go there, which Azure's client sends over TLS only, on this machine too.
fn secured(text: &str) -> Result<Url, Wrong> {
    super::address(text).and_then(|url| if url.scheme() == "https" { Ok(url) } else { Err(Wrong::Unexpected) })
}

fn credential(reader: &mut StoreReader<'_>) -> Option<AzureCredential> {
    let method = reader.method(&PROOFS, None)?;
    match method {
        "client-secret" => {
            let tenant_id = reader.parsed("tenant_id", TENANT, None, directory);
            let client_id = reader.text("client_id", CLIENT, None);
            let secret_file = reader.text("client_secret_file", FILE, None).map(PathBuf::from);
            Some(AzureCredential::ClientSecret {
                tenant_id: tenant_id?,
                client_id: client_id?,
                secret_file: secret_file?,
            })
        }
        "workload-identity" => {
            let tenant_id = reader.parsed("tenant_id", TENANT, Some(None), |text| directory(text).map(Some));
            let client_id = reader.parsed("client_id", CLIENT, Some(None), given);
            let token_file = reader.parsed("token_file", FILE, Some(None), given);
            Some(AzureCredential::WorkloadIdentity {
                tenant_id: tenant_id?,
                client_id: client_id?,
                token_file: token_file?.map(PathBuf::from),
            })
        }
        _ => {
            Some(AzureCredential::ManagedIdentity { client_id: reader.parsed("client_id", CLIENT, Some(None), given)? })
        }
    }
}

/// It becomes a part of the path that tokens are asked for under.
fn directory(text: &str) -> Result<String, Wrong> {
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if text.split('.').all(is_label) { Ok(text.to_owned()) } else { Err(Wrong::Unexpected) }
}

/// What may be missing, and is given.
#[expect(clippy::unnecessary_wraps, reason = "how a member is parsed")]
fn given(text: &str) -> Result<Option<String>, Wrong> {
    Ok(Some(text.to_owned()))
}

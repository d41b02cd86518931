//! Azure Key Vault.

use std::path::PathBuf;

use infrastructure::secrets::AzureCredential;
use url::Url;

use super::super::raw::Wrong;
use super::{Kind, SecretStoreConfig, StoreReader};

const VAULT: &str = "the address of the vault, such as `https://contoso.vault.azure.net`";
const AUTHORITY: &str = "the address of the cloud's directory, such as `https://login.microsoftonline.us`";
const RESOURCE: &str = "what tokens are for, such as `https://vault.azure.net`";
const TENANT: &str = "the id of the directory";
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
    let vault_url = reader.address("vault_url", VAULT, None).and_then(|url| secured(reader, "vault_url", url));
    let authority_url = match reader.optional_address("authority_url", AUTHORITY) {
        Some(Some(url)) => secured(reader, "authority_url", url).map(Some),
        none => none,
    };
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
fn secured(reader: &mut StoreReader<'_>, member: &str, url: Url) -> Option<Url> {
    if url.scheme() != "https" {
        reader.refuse(member, "must begin with `https://`");
        return None;
    }
    Some(url)
}

fn credential(reader: &mut StoreReader<'_>) -> Option<AzureCredential> {
    let method = reader.method(&PROOFS, None)?;
    match method {
        "client-secret" => {
            let tenant_id = reader.text("tenant_id", TENANT, None);
            let client_id = reader.text("client_id", CLIENT, None);
            let secret_file = reader.text("client_secret_file", "the path of a file", None).map(PathBuf::from);
            Some(AzureCredential::ClientSecret {
                tenant_id: tenant_id?,
                client_id: client_id?,
                secret_file: secret_file?,
            })
        }
        "workload-identity" => {
            let tenant_id = optional(reader, "tenant_id", TENANT);
            let client_id = optional(reader, "client_id", CLIENT);
            let token_file = optional(reader, "token_file", "the path of a file");
            Some(AzureCredential::WorkloadIdentity {
                tenant_id: tenant_id?,
                client_id: client_id?,
                token_file: token_file?.map(PathBuf::from),
            })
        }
        _ => Some(AzureCredential::ManagedIdentity { client_id: optional(reader, "client_id", CLIENT)? }),
    }
}

fn optional(reader: &mut StoreReader<'_>, member: &str, expects: &str) -> Option<Option<String>> {
    reader.parsed(member, expects, Some(None), |text| Ok(Some(text.to_owned())))
}

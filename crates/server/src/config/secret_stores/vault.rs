//! `HashiCorp` Vault.

use std::path::PathBuf;

use infrastructure::secrets::VaultLogin;

use super::super::raw::Wrong;
use super::{Kind, SecretStoreConfig, StoreReader};

/// Where Kubernetes mounts the token of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

const ADDRESS: &str = "an address without a path, such as `https://vault.internal:8200`";
const FILE: &str = "the path of a file";
const MOUNT: &str = "the path where it is mounted, of letters, digits, `_`, `-`, `.` and `/`";

/// Which members go with which `auth`.
const PROOFS: [(&str, &[&str]); 3] = [
    ("token", &["token_file"]),
    ("approle", &["auth_mount", "role_id", "secret_id_file"]),
    ("kubernetes", &["auth_mount", "role", "jwt_file"]),
];

pub(super) static VAULT: Kind = Kind {
    name: "vault",
    members: &[
        "address",
        "mount",
        "namespace",
        "auth",
        "auth_mount",
        "token_file",
        "role_id",
        "secret_id_file",
        "role",
        "jwt_file",
    ],
    read,
};

fn read(reader: &mut StoreReader<'_>) -> Option<SecretStoreConfig> {
    let address = reader.parsed("address", ADDRESS, None, super::address);
    let mount = mount(reader, "mount", "secret");
    let namespace = reader.parsed("namespace", "the path of a namespace", Some(None), |text| path(text).map(Some));
    let login = login(reader);
    Some(SecretStoreConfig::Vault { address: address?, mount: mount?, namespace: namespace?, login: login? })
}

fn login(reader: &mut StoreReader<'_>) -> Option<VaultLogin> {
    let method = reader.method(&PROOFS, Some("token"))?;
    match method {
        "approle" => {
            let mount = mount(reader, "auth_mount", "approle");
            let role_id = reader.text("role_id", "the id of the role", None);
            let secret_id_file = file(reader, "secret_id_file", None);
            Some(VaultLogin::AppRole { mount: mount?, role_id: role_id?, secret_id_file: secret_id_file? })
        }
        "kubernetes" => {
            let mount = mount(reader, "auth_mount", "kubernetes");
            let role = reader.text("role", "the name of the role", None);
            let jwt_file = file(reader, "jwt_file", Some(SERVICE_ACCOUNT));
            Some(VaultLogin::Kubernetes { mount: mount?, role: role?, jwt_file: jwt_file? })
        }
        _ => Some(VaultLogin::Token { file: file(reader, "token_file", None)? }),
    }
}

fn file(reader: &mut StoreReader<'_>, member: &str, default: Option<&str>) -> Option<PathBuf> {
    reader.text(member, FILE, default).map(PathBuf::from)
}

fn mount(reader: &mut StoreReader<'_>, member: &str, default: &str) -> Option<String> {
    reader.parsed(member, MOUNT, Some(default.to_owned()), path)
}

/// A path in Vault, without the slashes around it.
fn path(text: &str) -> Result<String, Wrong> {
    let trimmed = text.trim_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    let fits = !trimmed.is_empty() && trimmed.bytes().all(is_plain) && !trimmed.contains("..");
    fits.then(|| trimmed.to_owned()).ok_or(Wrong::Unexpected)
}

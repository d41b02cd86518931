//! How the service proves itself to Vault.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;
use vaultrs::auth::{approle, kubernetes};

use super::Server;
use super::trouble::Trouble;

/// The service's own proof. Files are read when they are needed, so that somebody else can rotate them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultLogin {
    /// A token that somebody else, such as Vault's agent, keeps in a file.
    Token {
        /// Has the token.
        file: PathBuf,
    },
    /// The method `approle`.
    AppRole {
        /// Where the method is mounted, usually `approle`.
        mount: String,
        /// The role's public half.
        role_id: String,
        /// Has the role's secret half.
        secret_id_file: PathBuf,
    },
    /// The method `kubernetes`.
    Kubernetes {
        /// Where the method is mounted, usually `kubernetes`.
        mount: String,
        /// The role to ask for.
        role: String,
        /// Has the token of the service account.
        jwt_file: PathBuf,
    },
}

/// The token that reads. One that a login brought is kept for nine tenths of its life.
pub(super) struct Session {
    login: VaultLogin,
    held: Mutex<Option<Held>>,
}

struct Held {
    token: SecretString,
    /// `None`: it does not end.
    until: Option<Instant>,
}

impl Session {
    pub(super) fn new(login: VaultLogin) -> Self {
        Self { login, held: Mutex::default() }
    }

    /// The token; from a new login where there is none, or none that lasts. One caller logs in, the others wait.
    pub(super) async fn token(&self, server: &Server) -> Result<SecretString, Trouble> {
        if let VaultLogin::Token { file } = &self.login {
            return read_proof(file).await;
        }
        let mut held = self.held.lock().await;
        if let Some(Held { token, until }) = held.as_ref()
            && until.is_none_or(|until| Instant::now() < until)
        {
            return Ok(token.clone());
        }
        let fresh = self.log_in(server).await?;
        Ok(held.insert(fresh).token.clone())
    }

    /// Drops the token of a login that has been refused; answers whether another login may help.
    pub(super) async fn drop_if_held(&self, refused: &SecretString) -> bool {
        if matches!(self.login, VaultLogin::Token { .. }) {
            return false;
        }
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|held| held.token.expose_secret() == refused.expose_secret()) {
            *held = None;
        }
        true
    }

    async fn log_in(&self, server: &Server) -> Result<Held, Trouble> {
        let client = server.client(&SecretString::default());
        let asked = Instant::now();
        let answered = match &self.login {
            VaultLogin::Token { file } => return Ok(Held { token: read_proof(file).await?, until: None }),
            VaultLogin::AppRole { mount, role_id, secret_id_file } => {
                let secret_id = read_proof(secret_id_file).await?;
                approle::login(&client, mount, role_id, secret_id.expose_secret()).await
            }
            VaultLogin::Kubernetes { mount, role, jwt_file } => {
                let jwt = read_proof(jwt_file).await?;
                kubernetes::login(&client, mount, role, jwt.expose_secret()).await
            }
        };
        let auth = answered.map_err(|error| Trouble::of_login(&error))?;
        let life = Duration::from_secs(auth.lease_duration);
        let until = if life.is_zero() { None } else { asked.checked_add(life / 10 * 9) };
        Ok(Held { token: auth.client_token.into(), until })
    }
}

/// A token, a secret id or a JWT. Whatever is not visible ASCII cannot be one, nor be sent.
async fn read_proof(file: &Path) -> Result<SecretString, Trouble> {
    let text = tokio::fs::read_to_string(file)
        .await
        .map_err(|error| Trouble::NoProof { file: file.to_owned(), cause: error.to_string() })?;
    let proof = text.trim();
    if proof.is_empty() || !proof.bytes().all(|byte| byte.is_ascii_graphic()) {
        let cause = "it is empty, or has more than one word".to_owned();
        return Err(Trouble::NoProof { file: file.to_owned(), cause });
    }
    Ok(proof.into())
}

//! How the service proves itself to Azure.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::ClientOptions;
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::AzureSettings;
use super::trouble::Trouble;

/// The service's own proof. Files are read at every login, so that somebody else can rotate them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AzureCredential {
    /// An application with a secret.
    ClientSecret {
        /// The directory.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// Has the secret.
        secret_file: PathBuf,
    },
    /// The token of a Kubernetes service account. What is `None` is what Azure's webhook puts into the environment.
    WorkloadIdentity {
        /// The directory.
        tenant_id: Option<String>,
        /// The application.
        client_id: Option<String>,
        /// Has the token.
        token_file: Option<PathBuf>,
    },
    /// The identity of the machine or app service.
    ManagedIdentity {
        /// Which, where it has been given several.
        client_id: Option<String>,
    },
}

impl AzureCredential {
    /// The SDK's credential for this proof.
    pub(super) async fn connect(
        &self,
        settings: &AzureSettings,
        mut options: ClientOptions,
    ) -> Result<Arc<dyn TokenCredential>, Trouble> {
        if let Some(url) = &settings.authority_url {
            let mut cloud = CustomConfiguration::default();
            cloud.authority_host = url.to_string();
            options.cloud = Some(Arc::new(cloud.into()));
        }
        let credential = self.credential(options).await?;
        Ok(match &settings.resource {
            Some(resource) => Arc::new(Pinned { credential, scope: format!("{resource}/.default") }),
            None => credential,
        })
    }

    async fn credential(&self, client_options: ClientOptions) -> Result<Arc<dyn TokenCredential>, Trouble> {
        let credential: azure_core::Result<Arc<dyn TokenCredential>> = match self {
            Self::ClientSecret { tenant_id, client_id, secret_file } => {
                let read = tokio::fs::read_to_string(secret_file).await;
                let secret = read.map_err(|error| Trouble::no_proof(format!("{}: {error}", secret_file.display())))?;
                let options = ClientSecretCredentialOptions { client_options };
                let secret = secret.trim().to_owned().into();
                ClientSecretCredential::new(tenant_id, client_id.clone(), secret, Some(options)).map(|made| made as _)
            }
            Self::WorkloadIdentity { tenant_id, client_id, token_file } => {
                let options = WorkloadIdentityCredentialOptions {
                    credential_options: ClientAssertionCredentialOptions { client_options },
                    client_id: client_id.clone(),
                    tenant_id: tenant_id.clone(),
                    token_file_path: token_file.clone(),
                };
                WorkloadIdentityCredential::new(Some(options)).map(|made| made as _)
            }
            Self::ManagedIdentity { client_id } => {
                let user_assigned_id = client_id.clone().map(UserAssignedId::ClientId);
                let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
                ManagedIdentityCredential::new(Some(options)).map(|made| made as _)
            }
        };
        credential.map_err(|error| Trouble::of_proof(&error))
    }
}

/// Gives tokens for one scope, so that nothing that poses as the vault gets one for another service.
#[derive(Debug)]
struct Pinned {
    credential: Arc<dyn TokenCredential>,
    scope: String,
}

#[async_trait]
impl TokenCredential for Pinned {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        if scopes == [self.scope.as_str()] {
            return self.credential.get_token(scopes, options).await;
        }
        let asked = format!("the vault asks for a token for {}, not for {}", scopes.join(" "), self.scope);
        Err(azure_core::Error::with_message(ErrorKind::Other, asked))
    }
}

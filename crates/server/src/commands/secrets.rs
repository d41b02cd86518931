//! `connectors secrets`: whether a reference works, without a connector.

use application::ports::{SecretError, SecretStore};
use domain::secret_ref::SecretRef;

use crate::cli::SecretsCommand;
use crate::composition;
use crate::config::Config;
use crate::failure::Failure;
use crate::terminal;

/// Does what the command says.
pub(crate) async fn run(command: SecretsCommand, config: &Config) -> Result<(), Failure> {
    let stores = composition::secret_stores(config)?;
    match command {
        SecretsCommand::Check { reference } => check(stores.as_ref(), &reference).await,
    }
}

/// Neither the value nor anything about it is said.
async fn check(stores: &dyn SecretStore, reference: &SecretRef) -> Result<(), Failure> {
    match stores.resolve(reference).await {
        Ok(_) => terminal::print(format_args!("the secret `{reference}` is there\n")),
        Err(error @ SecretError::UnknownStore { .. }) => Err(Failure::Failed(format!("`{reference}`: {error}"))),
        Err(error) => Err(Failure::Failed(error.to_string())),
    }
}

//! `connectors migrate`: the schema, by a role that may change it.

use crate::composition::{migrate_if_needed, open_store};
use crate::config::Config;
use crate::failure::Failure;
use crate::terminal;

/// Brings the schema up to date.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let url = &config.database_url;
    let store = open_store(url).await?;
    let migrated = migrate_if_needed(&store, url).await?;
    store.close().await;
    let outcome = if migrated { "now has" } else { "has already" };
    terminal::note(format_args!("The store {url} {outcome} the schema of this version."));
    Ok(())
}

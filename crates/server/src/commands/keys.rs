//! `connectors keys`: the keys by which callers are known. These acts are those of the person at the machine, and are
//! audited like any other.

use std::sync::Arc;

use application::api_key::{ApiKeyDraft, ApiKeyService};
use application::context::RequestContext;
use application::error::Error;
use application::ports::Ids;
use chrono::{DateTime, SecondsFormat, Utc};
use comfy_table::{Table, presets};
use domain::access::{Principal, Scope};
use domain::api_key::ApiKey;
use domain::correlation::{CorrelationId, TraceContext};
use infrastructure::storage::{DatabaseUrl, SqlStorage};
use infrastructure::system::{SystemClock, UuidV7Ids};
use secrecy::ExposeSecret;

use crate::cli::{CreateKey, KeysCommand};
use crate::composition::{migrate_if_needed, open_store, store_failure};
use crate::config::Config;
use crate::failure::Failure;
use crate::terminal;

/// Makes, lists or revokes. An embedded store is created when it is missing, so that keys can be made before the
/// service first starts.
pub(crate) async fn run(command: KeysCommand, config: &Config) -> Result<(), Failure> {
    let url = &config.database_url;
    let store = open_store(url).await?;
    migrate_if_needed(&store, url).await?;
    let keys = Keys { service: service(&store), url };
    let done = match command {
        KeysCommand::Create(draft) => keys.create(draft).await,
        KeysCommand::List => keys.list().await,
        KeysCommand::Revoke { name } => keys.revoke(&name).await,
    };
    store.close().await;
    done
}

fn service(store: &SqlStorage) -> ApiKeyService {
    ApiKeyService::new(Arc::new(store.clone()), Arc::new(SystemClock), Arc::new(UuidV7Ids))
}

struct Keys<'a> {
    service: ApiKeyService,
    url: &'a DatabaseUrl,
}

impl Keys<'_> {
    async fn create(&self, draft: CreateKey) -> Result<(), Failure> {
        let CreateKey { name, role, connectors, expires } = draft;
        let draft =
            ApiKeyDraft { name: name.clone(), role, connectors: connectors.into_iter().collect(), expires_at: expires };
        let key = self.service.create(&local(), draft).await.map_err(|error| self.explain(error, &name))?;
        terminal::print(format_args!("{}\n", key.expose_secret()))?;
        terminal::note(format_args!(
            "This is the key `{name}`, shown this once. Callers send it as `Authorization: Bearer KEY`."
        ));
        Ok(())
    }

    async fn list(&self) -> Result<(), Failure> {
        let keys = self.service.list().await.map_err(|error| self.explain(error, ""))?;
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header(["NAME", "ROLE", "CONNECTORS", "CREATED", "EXPIRES", "REVOKED"]);
        table.add_rows(keys.iter().map(row));
        terminal::print(format_args!("{}\n", table.trim_fmt()))
    }

    async fn revoke(&self, name: &str) -> Result<(), Failure> {
        self.service.revoke(&local(), name).await.map_err(|error| self.explain(error, name))?;
        terminal::note(format_args!("The key `{name}` is revoked."));
        Ok(())
    }

    fn explain(&self, error: Error, name: &str) -> Failure {
        match error {
            Error::Invalid(faults) => {
                let faults: Vec<String> = faults
                    .iter()
                    .map(|fault| format!("\n  --{}: {}", fault.pointer.trim_start_matches('/'), fault.detail))
                    .collect();
                Failure::Usage(format!("the key cannot be made{}", faults.concat()))
            }
            Error::NameTaken => Failure::Failed(format!(
                "there is a key `{name}` already; choose another name, or revoke it with `connectors keys revoke {name}`"
            )),
            Error::KeyNotFound => Failure::Failed(format!(
                "there is no key `{name}` that is not revoked; `connectors keys list` shows all"
            )),
            Error::StoreUnavailable(error) => store_failure(self.url, &error),
            other => Failure::caused("the key could not be handled", &other),
        }
    }
}

/// The person at the machine, under an id of its own.
fn local() -> RequestContext {
    RequestContext {
        principal: Principal::local(),
        correlation_id: CorrelationId::from(UuidV7Ids.uuid()),
        trace: TraceContext { trace_id: UuidV7Ids.trace_id(), flags: 0, state: None },
        source_address: None,
    }
}

fn row(key: &ApiKey) -> [String; 6] {
    let connectors = match &key.scope {
        Scope::All => "all".to_owned(),
        Scope::Only(listed) => listed.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    };
    let revoked = key.revoked.as_ref().map(|stamp| format!("{} by {}", moment(stamp.at), stamp.by));
    [
        key.name.as_str().to_owned(),
        key.role.as_str().to_owned(),
        connectors,
        format!("{} by {}", moment(key.created.at), key.created.by),
        key.expires_at.map_or_else(|| "never".to_owned(), moment),
        revoked.unwrap_or_else(|| "no".to_owned()),
    ]
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

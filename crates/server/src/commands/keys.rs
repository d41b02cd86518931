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
use domain::api_key::{ApiKey, KeyFilter};
use domain::correlation::{CorrelationId, TraceContext};
use domain::fault::Faults;
use domain::page::{PageRequest, PageSize};
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
        KeysCommand::Revoke { name, reason } => keys.revoke(&name, reason.as_deref()).await,
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
        let CreateKey { name, role, connectors, expires, reason } = draft;
        let connectors: Vec<String> = connectors.iter().map(ToString::to_string).collect();
        let draft = ApiKeyDraft {
            name: Some(name.clone()),
            role: Some(role),
            connectors: connectors.clone(),
            expires_at: expires,
            reason,
            faults: Faults::new(),
        };
        let made = self.service.create(&local(), draft).await;
        let made = made.map_err(|error| self.explain(error, &name, &connectors))?;
        terminal::print(format_args!("{}\n", made.value.expose_secret()))?;
        terminal::note(format_args!(
            "This is the key `{name}`, shown this once. Callers send it as `Authorization: Bearer KEY`."
        ));
        Ok(())
    }

    async fn list(&self) -> Result<(), Failure> {
        let keys = self.all().await.map_err(|error| self.explain(error, "", &[]))?;
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header([
            "NAME",
            "ROLE",
            "CONNECTORS",
            "CREATED",
            "EXPIRES",
            "LAST USED",
            "REVOKED",
        ]);
        table.add_rows(keys.iter().map(row));
        terminal::print(format_args!("{}\n", table.trim_fmt()))
    }

    /// Every key, by name and age.
    async fn all(&self) -> Result<Vec<ApiKey>, Error> {
        let mut keys = Vec::new();
        let mut page = PageRequest { size: PageSize::new(PageSize::MAX.into()).unwrap_or_default(), after: None };
        loop {
            let found = self.service.list(&KeyFilter::default(), &page).await?;
            keys.extend(found.items);
            page.after = found.next;
            if page.after.is_none() {
                break;
            }
        }
        keys.sort_by(|one, other| (one.name.as_str(), one.id).cmp(&(other.name.as_str(), other.id)));
        Ok(keys)
    }

    async fn revoke(&self, name: &str, reason: Option<&str>) -> Result<(), Failure> {
        let revoked = self.service.revoke_named(&local(), name, reason).await;
        revoked.map_err(|error| self.explain(error, name, &[]))?;
        terminal::note(format_args!("The key `{name}` is revoked."));
        Ok(())
    }

    fn explain(&self, error: Error, name: &str, connectors: &[String]) -> Failure {
        match error {
            Error::Invalid(faults) => {
                let faults: Vec<String> = faults
                    .iter()
                    .map(|fault| format!("\n  {}: {}", flag(&fault.pointer, connectors), fault.detail))
                    .collect();
                Failure::Usage(format!("this cannot be done{}", faults.concat()))
            }
            Error::KeyNameTaken => Failure::Failed(format!(
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

/// The flag that gave the member at `pointer`.
fn flag(pointer: &str, connectors: &[String]) -> String {
    let mut names = pointer.split('/').skip(1);
    match (names.next().unwrap_or_default(), names.next().and_then(|index| index.parse::<usize>().ok())) {
        ("connectors", Some(index)) => {
            format!("--connector {}", connectors.get(index).map_or("", String::as_str))
        }
        ("connectors", None) => "--connector".to_owned(),
        ("expiresAt", _) => "--expires".to_owned(),
        (name, _) => format!("--{name}"),
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

fn row(key: &ApiKey) -> [String; 7] {
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
        key.last_used_at.map_or_else(|| "never".to_owned(), moment),
        revoked.unwrap_or_else(|| "no".to_owned()),
    ]
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

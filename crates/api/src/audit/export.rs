//! The operation that hands the trail on.

use application::audit::AuditExport;
use application::error::Error;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::audit::StoredEntry;
use futures_util::stream::try_unfold;
use tracing::{Instrument, Span};

use super::controller::filter;
use super::dto::AuditParameters;
use crate::context::Caller;
use crate::export::{self, Format};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

const COLUMNS: [&str; 13] = [
    "sequence",
    "at",
    "actor",
    "actorType",
    "action",
    "subject",
    "connectorId",
    "reason",
    "changes",
    "correlationId",
    "sourceAddress",
    "previousHash",
    "hash",
];

/// Export audit entries
///
/// All that match and that there were when it began, the oldest first, as they are stored. A line of NDJSON is the very
/// text that was hashed with the hashes before its closing brace, so that whoever has the whole trail can verify it
/// without this service. Of CSV, and of a part of the trail, only the entries can be read. An answer that could not be
/// completed is cut off, not ended.
#[utoipa::path(
    get,
    path = "/api/v1/audit/export",
    operation_id = "exportAudit",
    tag = "Audit",
    params(AuditParameters),
    responses(
        (status = 200, description = "The entries, a line each", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
        )),
        (status = 406, description = "`not-acceptable`"),
    )
)]
pub(crate) async fn export(
    State(state): State<ApiState>,
    _caller: Caller,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, Problem> {
    let filter = filter(&mut query);
    query.finish()?;
    let format = Format::accepted(&headers)?;
    let mut entries = state.services.audit.export(filter).await?;
    // What goes wrong at the beginning can still be said.
    let first = page(format, &mut entries, Some(COLUMNS)).await?;
    let span = Span::current();
    let rest = move |(ready, mut entries): (Option<Vec<u8>>, AuditExport)| {
        let next = async move {
            let bytes = if ready.is_some() { ready } else { page(format, &mut entries, None).await? };
            Ok(bytes.map(|bytes| (bytes, (None, entries))))
        };
        next.instrument(span.clone())
    };
    Ok(export::answer(format, "audit", try_unfold((first, entries), rest)))
}

/// The next page, in CSV behind a line of these names; `None` after the last.
async fn page(
    format: Format,
    entries: &mut AuditExport,
    names: Option<[&str; 13]>,
) -> Result<Option<Vec<u8>>, Problem> {
    let Some(entries) = entries.next().await? else { return Ok(None) };
    Ok(Some(match format {
        Format::Ndjson => {
            entries.iter().flat_map(|entry| [entry.line(), "\n".to_owned()]).collect::<String>().into_bytes()
        }
        Format::Csv => {
            let names = names.map(|names| names.map(str::to_owned));
            let lines = names.into_iter().chain(entries.iter().map(cells));
            export::csv(lines).map_err(|error| Error::Internal(Box::new(error)))?
        }
    }))
}

fn cells(entry: &StoredEntry) -> [String; 13] {
    let text = |column: &Option<String>| column.clone().unwrap_or_default();
    [
        entry.sequence.to_string(),
        text(&entry.at),
        text(&entry.actor),
        text(&entry.actor_type),
        text(&entry.action),
        text(&entry.subject),
        text(&entry.connector_id),
        text(&entry.reason),
        text(&entry.changes),
        text(&entry.correlation_id),
        text(&entry.source_address),
        text(&entry.previous_hash),
        text(&entry.hash),
    ]
}

//! The handler written by hand: what an engineer writes who wants the intent of a call durable before its request and
//! its outcome durable before the answer, and nothing else. No retry, limit, redaction or log line slows it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::{API_KEY, Failure, process};

const SCHEMA: &str = include_str!("baseline.sql");

const INSERT_INTENT: &str = "INSERT INTO integration_logs (id, connector_id, connector_name, correlation_id, \
     trace_id, operation_type, http_method, endpoint, started_at, initiated_by, status, attempt_count) \
     VALUES ($1, $2, 'HR system', $3, $4, $5, $6, $7, now(), 'local', 'InProgress', 0)";

const UPDATE_OUTCOME: &str = "UPDATE integration_logs SET status = $2, attempt_count = 1, http_status_code = $3, \
     error_code = $4, error_message = $5, retryable = $6, duration_ms = $7, completed_at = now() \
     WHERE id = $1 AND status = 'InProgress'";

/// The handler's process.
#[derive(Debug, clap::Args)]
pub(crate) struct Handwritten {
    /// An empty database of its own.
    #[arg(long)]
    database_url: String,
    /// The upstream's base URL.
    #[arg(long)]
    upstream: String,
    /// The size of its connection pool.
    #[arg(long)]
    connections: u32,
}

#[derive(Clone)]
struct Handler {
    pool: PgPool,
    client: Client,
    upstream: String,
    connector: Uuid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    operation_type: String,
    method: String,
    endpoint: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    id: Uuid,
    status: &'static str,
    status_code: Option<u16>,
    error: Option<String>,
    body: Value,
}

impl Handwritten {
    /// Answers until the process is ended. The first line of standard output says where.
    pub(crate) async fn serve(self) -> Result<(), Failure> {
        let pool = PgPoolOptions::new()
            .min_connections(self.connections)
            .max_connections(self.connections)
            .test_before_acquire(false)
            .connect(&self.database_url)
            .await?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        let handler = Handler { pool, client: client()?, upstream: self.upstream, connector: id() };
        let router = Router::new().route("/execute", post(execute)).with_state(handler);
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        process::announce(listener.local_addr()?)?;
        // The error is a connection that ended already.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        Ok(axum::serve(listener, router).await?)
    }
}

#[expect(clippy::disallowed_methods, reason = "a handler beside the service, which does without its guard")]
fn client() -> reqwest::Result<Client> {
    // The error says that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build()
}

#[expect(clippy::disallowed_methods, reason = "a handler beside the service, which injects nothing")]
fn id() -> Uuid {
    Uuid::now_v7()
}

async fn execute(State(handler): State<Handler>, Json(call): Json<Call>) -> Result<Json<Answer>, (StatusCode, String)> {
    let begun = Instant::now();
    let id = id();
    handler.insert_intent(id, &call).await.map_err(|error| away(&error))?;
    let answered = handler.send(&call).await;
    let answer = match answered {
        Ok((200, body)) => Answer { id, status: "Success", status_code: Some(200), error: None, body },
        Ok((status, body)) => {
            let error = Some(format!("the upstream answered {status}"));
            Answer { id, status: "Failed", status_code: Some(status), error, body }
        }
        Err(error) => {
            Answer { id, status: "Failed", status_code: None, error: Some(error.to_string()), body: Value::Null }
        }
    };
    handler.update_outcome(&answer, begun).await.map_err(|error| away(&error))?;
    Ok(Json(answer))
}

impl Handler {
    async fn insert_intent(&self, id: Uuid, call: &Call) -> sqlx::Result<()> {
        let insert = sqlx::query(INSERT_INTENT)
            .bind(id)
            .bind(self.connector)
            .bind(id.to_string())
            .bind(id.simple().to_string())
            .bind(&call.operation_type)
            .bind(&call.method)
            .bind(&call.endpoint);
        insert.execute(&self.pool).await.map(drop)
    }

    async fn send(&self, call: &Call) -> Result<(u16, Value), Failure> {
        let url = format!("{}{}", self.upstream, call.endpoint);
        let request = self.client.request(call.method.parse()?, url).header("x-api-key", API_KEY);
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok((status, serde_json::from_slice(&response.bytes().await?)?))
    }

    async fn update_outcome(&self, answer: &Answer, begun: Instant) -> sqlx::Result<()> {
        let update = sqlx::query(UPDATE_OUTCOME)
            .bind(answer.id)
            .bind(answer.status)
            .bind(answer.status_code.map(i32::from))
            .bind(answer.error.as_ref().map(|_| "upstream"))
            .bind(answer.error.as_ref())
            .bind(answer.error.as_ref().map(|_| false))
            .bind(i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX));
        update.execute(&self.pool).await.map(drop)
    }
}

fn away(error: &sqlx::Error) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

//! How a connector proves itself to its upstream. Only references to secrets are here.

mod client_credentials;

use serde_json::{Map, Value, json};

pub use self::client_credentials::{ClientAuthentication, ClientCredentials, MAX_SCOPES};
use crate::fault::{FaultCode, Faults, Refusal, pointer_to};
use crate::secret_ref::SecretRef;

/// The header that carries an API key unless the settings say otherwise.
pub const DEFAULT_API_KEY_HEADER: &str = "X-API-Key";

/// Where an API key goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiKeyPlacement {
    /// Into this request header.
    Header(String),
    /// Into this query parameter.
    Query(String),
}

/// The authentication of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// The upstream is open.
    None,
    /// The secret is the bare key.
    ApiKey {
        /// Where the key is kept.
        secret: SecretRef,
        /// Where the key goes.
        placement: ApiKeyPlacement,
    },
    /// The secret is `username:password` (RFC 7617).
    Basic {
        /// Where both are kept.
        secret: SecretRef,
    },
    /// The secret is the bare token (RFC 6750).
    Bearer {
        /// Where the token is kept.
        secret: SecretRef,
    },
    /// The secret buys tokens (RFC 6749 §4.4). It is `{"clientId":…,"clientSecret":…}`, or the bare client secret where
    /// the settings say who asks.
    OAuth2 {
        /// Where the client's secret is kept.
        secret: SecretRef,
        /// What is asked for, and where.
        grant: ClientCredentials,
    },
}

/// The members that describe authentication, as they were read.
pub(super) struct AuthenticationDraft<'a> {
    pub(super) kind: &'a str,
    pub(super) secret_ref: Option<&'a str>,
    pub(super) settings: Option<&'a Value>,
    /// Where the idempotency key goes, so that the API key goes elsewhere.
    pub(super) idempotency_key_header: Option<&'a str>,
}

const KIND: &str = "/authenticationType";
const SECRET: &str = "/authenticationSecretRef";
const SETTINGS: &str = "/authenticationSettings";

impl Authentication {
    /// The type as the contract spells it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::ApiKey { .. } => "ApiKey",
            Self::Basic { .. } => "Basic",
            Self::Bearer { .. } => "Bearer",
            Self::OAuth2 { .. } => "OAuth2",
        }
    }

    /// The reference to the secret; `None` only for an open upstream.
    #[must_use]
    pub const fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::None => None,
            Self::ApiKey { secret, .. }
            | Self::Basic { secret }
            | Self::Bearer { secret }
            | Self::OAuth2 { secret, .. } => Some(secret),
        }
    }

    /// The settings that are in force, as an object.
    #[must_use]
    pub fn settings(&self) -> Value {
        match self {
            Self::ApiKey { placement: ApiKeyPlacement::Header(name), .. } => json!({ "headerName": name }),
            Self::ApiKey { placement: ApiKeyPlacement::Query(name), .. } => json!({ "queryParameter": name }),
            Self::OAuth2 { grant, .. } => grant.settings(),
            Self::None | Self::Basic { .. } | Self::Bearer { .. } => json!({}),
        }
    }

    pub(super) fn parse(draft: &AuthenticationDraft<'_>, faults: &mut Faults) -> Option<Self> {
        let settings = object(draft.settings, faults);
        let secret = draft.secret_ref.and_then(|text| faults.check(SECRET, SecretRef::parse(text)));
        match draft.kind {
            "None" => {
                if draft.secret_ref.is_some() {
                    faults.push(SECRET, FaultCode::NotAllowed, "must be null when `authenticationType` is `None`");
                }
                no_settings(&settings?, faults).then_some(Self::None)
            }
            "ApiKey" => {
                let placement = placement(settings?, faults);
                if let (Some(ApiKeyPlacement::Header(header)), Some(other)) = (&placement, draft.idempotency_key_header)
                    && header.eq_ignore_ascii_case(other)
                {
                    // The secret would go out as the key of every call, and upstreams would take them all for one.
                    let detail = "carries the API key already; an idempotency key needs a header of its own";
                    faults.push("/idempotencyKeyHeader", FaultCode::NotAllowed, detail);
                }
                Some(Self::ApiKey { secret: faults.require(SECRET, secret)?, placement: placement? })
            }
            "Basic" => {
                let sound = no_settings(&settings?, faults);
                let secret = faults.require(SECRET, secret)?;
                sound.then_some(Self::Basic { secret })
            }
            "Bearer" => {
                let sound = no_settings(&settings?, faults);
                let secret = faults.require(SECRET, secret)?;
                sound.then_some(Self::Bearer { secret })
            }
            "OAuth2" => {
                let grant = ClientCredentials::parse(settings?, faults);
                Some(Self::OAuth2 { secret: faults.require(SECRET, secret)?, grant: grant? })
            }
            _ => {
                faults.push(KIND, FaultCode::InvalidValue, "must be `None`, `ApiKey`, `Basic`, `Bearer` or `OAuth2`");
                None
            }
        }
    }
}

fn object(settings: Option<&Value>, faults: &mut Faults) -> Option<Map<String, Value>> {
    match settings {
        None | Some(Value::Null) => Some(Map::new()),
        Some(Value::Object(members)) => Some(members.clone()),
        Some(_) => {
            faults.push(SETTINGS, FaultCode::Type, "must be an object");
            None
        }
    }
}

fn no_settings(settings: &Map<String, Value>, faults: &mut Faults) -> bool {
    for name in settings.keys() {
        faults.push(
            pointer_to(SETTINGS, name),
            FaultCode::UnknownMember,
            "this authentication type has no such setting",
        );
    }
    settings.is_empty()
}

fn placement(mut settings: Map<String, Value>, faults: &mut Faults) -> Option<ApiKeyPlacement> {
    let header = settings.remove("headerName");
    let query = settings.remove("queryParameter");
    let sound = no_settings(&settings, faults);
    let placement = match (header, query) {
        (None, None) => Some(ApiKeyPlacement::Header(DEFAULT_API_KEY_HEADER.to_owned())),
        (Some(header), None) => {
            faults.check("/authenticationSettings/headerName", header_name(&header)).map(ApiKeyPlacement::Header)
        }
        (None, Some(query)) => {
            faults.check("/authenticationSettings/queryParameter", query_parameter(&query)).map(ApiKeyPlacement::Query)
        }
        (Some(_), Some(_)) => {
            faults.push(SETTINGS, FaultCode::NotAllowed, "must have `headerName` or `queryParameter`, not both");
            None
        }
    };
    placement.filter(|_| sound)
}

fn header_name(value: &Value) -> Result<String, Refusal> {
    let name = value.as_str().ok_or_else(|| Refusal::new(FaultCode::Type, "must be a string"))?;
    super::header::parse_key_name(name)
}

fn query_parameter(value: &Value) -> Result<String, Refusal> {
    let name = value.as_str().ok_or_else(|| Refusal::new(FaultCode::Type, "must be a string"))?;
    let fits = (1..=100).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-[]".contains(&byte));
    if fits {
        Ok(name.to_owned())
    } else {
        Err(Refusal::new(FaultCode::InvalidValue, "must be 1 to 100 letters, digits, `_`, `.`, `-`, `[` or `]`"))
    }
}

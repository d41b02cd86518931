//! The closed list of problems. Codes never change their meaning; `docs/errors.md` and `/problems/<code>` explain them.

macro_rules! problems {
    ($($variant:ident = $code:literal, $status:literal, $title:literal, $explanation:literal;)+) => {
        /// The `code` of a problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemCode { $(#[doc = $explanation] $variant,)+ }

        impl ProblemCode {
            /// Every problem that the service can answer.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as the contract spells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// A short summary, the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// What it means, and what the caller can do.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation,)+ }
            }
        }
    };
}

problems! {
    MalformedRequest = "malformed-request", 400, "The request is malformed",
        "The request is not HTTP/1.1, or a header or the path cannot be read. `detail` says which part.";
    MalformedJson = "malformed-json", 400, "The body is not JSON",
        "The body does not parse as JSON in UTF-8, repeats a member, or is nested deeper than 32 levels. `detail` says where.";
    Unauthenticated = "unauthenticated", 401, "Credentials are needed",
        "Send `Authorization: Bearer` with an API key, or with an access token of the identity provider where the deployment takes them. It may be missing, unknown, forged, expired, revoked or meant for others; the service does not tell which.";
    Forbidden = "forbidden", 403, "Your role does not allow this",
        "The credentials are valid and their role lacks the permission for this operation, or the token grants no role at all. An administrator can make a key of another role, or grant one at the identity provider.";
    ForeignPage = "foreign-page", 403, "The request is not from this machine",
        "Without authentication the service answers below `/api/` only requests that are addressed to `localhost` or a loopback address, and none from a page of another host. Configure `auth.mode = \"api-key\"` to be called otherwise.";
    NotFound = "not-found", 404, "There is nothing here",
        "No operation has this path. `/openapi.json` lists all of them.";
    ConnectorNotFound = "connector-not-found", 404, "The connector does not exist",
        "No connector of this id exists for you. It may have been deleted, or your key may not be bound to it.";
    LogNotFound = "log-not-found", 404, "The integration log does not exist",
        "No call of this id exists for you. Logs are kept for a limited time.";
    KeyNotFound = "key-not-found", 404, "The API key does not exist",
        "No API key has this id. Keys are never removed; a revoked one is still found.";
    MethodNotAllowed = "method-not-allowed", 405, "The path does not have this method",
        "The path exists with other methods; the header `Allow` lists them.";
    NotAcceptable = "not-acceptable", 406, "There is no such representation",
        "`Accept` allows none of the media types that the operation answers. `detail` names them.";
    RequestTimeout = "request-timeout", 408, "The request took too long to arrive",
        "The head of a request has 10 s to arrive, its body 30 s. Send it again.";
    ConnectorNameTaken = "connector-name-taken", 409, "Another connector has this name",
        "Names are unique without regard to case. Choose another one, or change the existing connector.";
    KeyNameTaken = "key-name-taken", 409, "Another API key has this name",
        "A name is taken until its key is revoked, also when the key has expired. Revoke that key, or choose another name.";
    ConnectorEnabled = "connector-enabled", 409, "The connector is enabled",
        "Only a disabled connector can be deleted. Disable it first.";
    IdempotencyKeyInFlight = "idempotency-key-in-flight", 409, "The request with this key is under way",
        "A request with the same `Idempotency-Key` has not been answered yet. Repeat after `Retry-After`: you get its answer.";
    PreconditionFailed = "precondition-failed", 412, "The connector has changed",
        "`If-Match` names a version that is no longer current. Read the connector again, apply your change to it, and repeat with its new `ETag`.";
    PayloadTooLarge = "payload-too-large", 413, "The body is too large",
        "A request body may have 1 MiB.";
    UrlTooLong = "url-too-long", 414, "The URL is too long",
        "A URL may have 8 KiB, its query included.";
    UnsupportedMediaType = "unsupported-media-type", 415, "The media type is not JSON",
        "Send the body with `Content-Type: application/json`, in UTF-8 and without content encoding.";
    ValidationFailed = "validation-failed", 422, "The input is invalid",
        "The request is well-formed and breaks rules. `errors` names every member, the rule, and what would be right.";
    UnknownMember = "unknown-member", 422, "The input has unknown members",
        "The operation does not know these members or query parameters. Nothing is ignored silently; look for a misspelling.";
    Immutable = "immutable", 422, "The member is fixed after creation",
        "A connector keeps its `connectorType`. Create another connector for another type.";
    CapabilityNotSupported = "capability-not-supported", 422, "The connector lacks the capability",
        "`operationType` is not among the connector's `capabilities`. Change the connector if it should be.";
    EndpointOutsideBaseUrl = "endpoint-outside-base-url", 422, "The endpoint leaves the base URL",
        "`endpoint` is a path below the connector's `endpointBaseUrl`; it cannot change scheme, host, port or base path.";
    ForbiddenHeader = "forbidden-header", 422, "The header cannot be set",
        "The service or the connector's configuration sets this header itself.";
    IdempotencyKeyReused = "idempotency-key-reused", 422, "The key belongs to another request",
        "The `Idempotency-Key` was used for a request with another path or body within the last 24 hours. Choose another key for another request.";
    RawSecretDetected = "raw-secret-detected", 422, "The configuration holds a secret itself",
        "A text of the configuration looks like a password, a key or a token. Secrets are kept in a secret store; the configuration refers to them in `authenticationSecretRef`. Nothing was saved.";
    SecretNotFound = "secret-not-found", 422, "The secret does not exist",
        "`authenticationSecretRef` names a secret that its store does not have. Put the secret there first.";
    SecretStoreUnknown = "secret-store-unknown", 422, "The secret store is not configured",
        "`authenticationSecretRef` names a store that this deployment does not configure.";
    DestinationBlocked = "destination-blocked", 422, "The destination is not allowed",
        "The address is special-purpose or private. The operator of the service can open it with `allowed_destinations`.";
    PreconditionRequired = "precondition-required", 428, "If-Match is required",
        "This deployment wants every change to name the version that it changes. Send `If-Match` with the connector's `ETag`.";
    TooManyRequests = "too-many-requests", 429, "Too many requests",
        "Every principal may make a limited number of requests a minute. Repeat after `Retry-After`; the headers `RateLimit-Policy` and `RateLimit` tell the limit and what is left of it.";
    TooManyFailedLogins = "too-many-failed-logins", 429, "Too many failed log-ins",
        "Too many credentials that came from your address were not valid. Repeat after `Retry-After`, with valid ones; those that were good before pass meanwhile.";
    HeadersTooLarge = "headers-too-large", 431, "The headers are too large",
        "A request may have 100 headers with 16 KiB in all, where each counts with its name, its value and 4 bytes.";
    InternalError = "internal-error", 500, "The service failed",
        "This is a fault of the service. Its log has the cause under the correlation id.";
    StoreUnavailable = "store-unavailable", 503, "The store is unavailable",
        "The service cannot reach its database. Nothing was changed; repeat after `Retry-After`.";
    SecretStoreUnavailable = "secret-store-unavailable", 503, "The secret store is unavailable",
        "The service cannot reach the secret store. Nothing was changed; repeat after `Retry-After`.";
    IdentityProviderUnavailable = "identity-provider-unavailable", 503, "The identity provider is unavailable",
        "The service has none of the identity provider's keys yet and cannot reach it, so that nobody can tell whether the token is valid. Nothing was changed; repeat after `Retry-After`.";
}

impl ProblemCode {
    /// Reads [`Self::as_str`] back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// The general problem of a status that something below the controllers answered.
    pub(crate) const fn of_status(status: u16) -> Self {
        match status {
            400 | 411 => Self::MalformedRequest,
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            406 => Self::NotAcceptable,
            408 => Self::RequestTimeout,
            413 => Self::PayloadTooLarge,
            414 => Self::UrlTooLong,
            415 => Self::UnsupportedMediaType,
            422 => Self::ValidationFailed,
            429 => Self::TooManyRequests,
            431 => Self::HeadersTooLarge,
            503 => Self::StoreUnavailable,
            _ => Self::InternalError,
        }
    }
}

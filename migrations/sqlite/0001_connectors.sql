-- Ids are hyphenated lower-case text and times fixed-width RFC 3339 text in UTC, so that both sort as they should and
-- are read with any SQLite shell. Columns that hold JSON are TEXT, to keep the members' order and every digit.
CREATE TABLE connectors (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version >= 1),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    connector_type TEXT NOT NULL,
    description TEXT,
    status TEXT NOT NULL CHECK (status IN ('Enabled', 'Disabled')),
    status_reason TEXT,
    status_changed_at TEXT,
    status_changed_by TEXT,
    endpoint_base_url TEXT NOT NULL,
    authentication_type TEXT NOT NULL CHECK (authentication_type IN ('None', 'ApiKey', 'Basic', 'Bearer', 'OAuth2')),
    authentication_secret_ref TEXT,
    authentication_settings TEXT NOT NULL,
    supports_pull INTEGER NOT NULL CHECK (supports_pull IN (0, 1)),
    supports_push INTEGER NOT NULL CHECK (supports_push IN (0, 1)),
    supports_webhook INTEGER NOT NULL CHECK (supports_webhook IN (0, 1)),
    rate_limit_per_minute INTEGER NOT NULL CHECK (rate_limit_per_minute >= 0),
    max_retry_attempts INTEGER NOT NULL CHECK (max_retry_attempts >= 0),
    retry_delay_ms INTEGER NOT NULL CHECK (retry_delay_ms >= 0),
    use_exponential_backoff INTEGER NOT NULL CHECK (use_exponential_backoff IN (0, 1)),
    retry_jitter TEXT NOT NULL CHECK (retry_jitter IN ('Full', 'None')),
    max_retry_delay_ms INTEGER NOT NULL CHECK (max_retry_delay_ms >= 0),
    attempt_timeout_ms INTEGER NOT NULL CHECK (attempt_timeout_ms > 0),
    deadline_ms INTEGER NOT NULL CHECK (deadline_ms > 0),
    idempotency_key_header TEXT,
    mapping_configuration TEXT NOT NULL,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at TEXT,
    updated_by TEXT,
    -- A deleted connector stays, for its logs and its audit; only its name is free again.
    deleted_at TEXT,
    deleted_by TEXT,
    CHECK ((authentication_type = 'None') = (authentication_secret_ref IS NULL)),
    CHECK (supports_pull OR supports_push OR supports_webhook),
    CHECK (deleted_at IS NULL OR status = 'Disabled')
) STRICT;

CREATE UNIQUE INDEX connectors_name_key ON connectors (name_key) WHERE deleted_at IS NULL;

-- Text that is ordered or paged by is compared bytewise ("C"), as SQLite compares it, whatever the database's collation.
-- Columns that hold JSON are TEXT: JSONB would reorder members, rewrite numbers and refuse \u0000.
CREATE TABLE connectors (
    id UUID PRIMARY KEY,
    version BIGINT NOT NULL CHECK (version >= 1),
    name TEXT NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL,
    connector_type TEXT NOT NULL,
    description TEXT,
    status TEXT NOT NULL CHECK (status IN ('Enabled', 'Disabled')),
    status_reason TEXT,
    status_changed_at TIMESTAMPTZ,
    status_changed_by TEXT,
    endpoint_base_url TEXT NOT NULL,
    authentication_type TEXT NOT NULL CHECK (authentication_type IN ('None', 'ApiKey', 'Basic', 'Bearer', 'OAuth2')),
    authentication_secret_ref TEXT,
    authentication_settings TEXT NOT NULL,
    supports_pull BOOLEAN NOT NULL,
    supports_push BOOLEAN NOT NULL,
    supports_webhook BOOLEAN NOT NULL,
    rate_limit_per_minute INTEGER NOT NULL CHECK (rate_limit_per_minute >= 0),
    max_retry_attempts INTEGER NOT NULL CHECK (max_retry_attempts >= 0),
    retry_delay_ms BIGINT NOT NULL CHECK (retry_delay_ms >= 0),
    use_exponential_backoff BOOLEAN NOT NULL,
    retry_jitter TEXT NOT NULL CHECK (retry_jitter IN ('Full', 'None')),
    max_retry_delay_ms BIGINT NOT NULL CHECK (max_retry_delay_ms >= 0),
    attempt_timeout_ms BIGINT NOT NULL CHECK (attempt_timeout_ms > 0),
    deadline_ms BIGINT NOT NULL CHECK (deadline_ms > 0),
    idempotency_key_header TEXT,
    mapping_configuration TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    created_by TEXT NOT NULL,
    updated_at TIMESTAMPTZ,
    updated_by TEXT,
    -- A deleted connector stays, for its logs and its audit; only its name is free again.
    deleted_at TIMESTAMPTZ,
    deleted_by TEXT,
    CHECK ((authentication_type = 'None') = (authentication_secret_ref IS NULL)),
    CHECK (supports_pull OR supports_push OR supports_webhook),
    CHECK (deleted_at IS NULL OR status = 'Disabled')
);

CREATE UNIQUE INDEX connectors_name_key ON connectors (name_key) WHERE deleted_at IS NULL;

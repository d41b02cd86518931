-- The table of the service's calls as step 1 shaped it: its columns, checks and indexes, but for the reference to a
-- table of connectors, which a handler written by hand has not got.
CREATE TABLE integration_logs (
    id UUID PRIMARY KEY,
    connector_id UUID NOT NULL,
    connector_name TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    operation_type TEXT NOT NULL CHECK (operation_type IN ('pull', 'push', 'test')),
    status TEXT NOT NULL CHECK (status IN ('InProgress', 'Success', 'Failed', 'Skipped')),
    http_method TEXT NOT NULL CHECK (http_method IN ('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD')),
    endpoint TEXT NOT NULL,
    http_status_code INTEGER,
    attempt_count INTEGER NOT NULL CHECK (attempt_count >= 0),
    error_code TEXT,
    error_message TEXT,
    error_details TEXT,
    retryable BOOLEAN,
    retry_after_ms BIGINT CHECK (retry_after_ms >= 0),
    duration_ms BIGINT CHECK (duration_ms >= 0),
    started_at TIMESTAMPTZ NOT NULL,
    completed_at TIMESTAMPTZ,
    initiated_by TEXT NOT NULL,
    CHECK ((status = 'InProgress') = (completed_at IS NULL)),
    CHECK ((completed_at IS NULL) = (duration_ms IS NULL)),
    CHECK ((error_code IS NULL) = (error_message IS NULL) AND (error_code IS NULL) = (retryable IS NULL))
);

CREATE INDEX integration_logs_by_connector ON integration_logs (connector_id, started_at, id);
CREATE INDEX integration_logs_by_time ON integration_logs (started_at, id);
CREATE INDEX integration_logs_by_correlation ON integration_logs (correlation_id, started_at, id);
CREATE INDEX integration_logs_in_progress ON integration_logs (started_at, id) WHERE status = 'InProgress';
CREATE INDEX integration_logs_failed ON integration_logs (started_at, id, connector_id) WHERE status = 'Failed';

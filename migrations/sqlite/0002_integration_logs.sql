-- Narrow rows: what a list shows. Attempts and payloads are read for one call at a time.
-- error_code and wait_reason have no CHECK: their lists grow, and the domain reads and writes nothing outside them.
CREATE TABLE integration_logs (
    id TEXT NOT NULL PRIMARY KEY,
    connector_id TEXT NOT NULL REFERENCES connectors (id),
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
    retryable INTEGER CHECK (retryable IN (0, 1)),
    retry_after_ms INTEGER CHECK (retry_after_ms >= 0),
    duration_ms INTEGER CHECK (duration_ms >= 0),
    started_at TEXT NOT NULL,
    completed_at TEXT,
    initiated_by TEXT NOT NULL,
    CHECK ((status = 'InProgress') = (completed_at IS NULL)),
    CHECK ((completed_at IS NULL) = (duration_ms IS NULL)),
    CHECK ((error_code IS NULL) = (error_message IS NULL) AND (error_code IS NULL) = (retryable IS NULL))
) STRICT;

-- Ascending, although lists show the newest first: both engines read an index backwards as well, and rows that come in
-- the order of time are appended to the right edge of the tree.
CREATE INDEX integration_logs_by_connector ON integration_logs (connector_id, started_at, id);
CREATE INDEX integration_logs_by_time ON integration_logs (started_at, id);
CREATE INDEX integration_logs_by_correlation ON integration_logs (correlation_id, started_at, id);
-- The two statuses that people and the recovery look for are rare among millions of rows. With the connector at its end,
-- the index of the failed ones tells those of one connector apart without reading their rows.
CREATE INDEX integration_logs_in_progress ON integration_logs (started_at, id) WHERE status = 'InProgress';
CREATE INDEX integration_logs_failed ON integration_logs (started_at, id, connector_id) WHERE status = 'Failed';

CREATE TABLE integration_log_attempts (
    log_id TEXT NOT NULL REFERENCES integration_logs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number >= 1),
    started_at TEXT NOT NULL,
    duration_ms INTEGER NOT NULL CHECK (duration_ms >= 0),
    waited_ms INTEGER NOT NULL CHECK (waited_ms >= 0),
    wait_reason TEXT,
    http_status_code INTEGER,
    error_code TEXT,
    error_message TEXT,
    PRIMARY KEY (log_id, number),
    CHECK ((error_code IS NULL) = (error_message IS NULL))
) STRICT;

CREATE TABLE integration_log_payloads (
    log_id TEXT NOT NULL PRIMARY KEY REFERENCES integration_logs (id) ON DELETE CASCADE,
    request_summary TEXT,
    response_summary TEXT
) STRICT;

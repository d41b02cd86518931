-- One group in one statement: one round trip and one commit for all of it. The arrays run in parallel; those of a kind
-- of write that the group does not have are empty. Calls that were skipped come as JSON, since they are rare.
WITH begun AS (
    INSERT INTO integration_logs (id, connector_id, connector_name, correlation_id, trace_id, operation_type,
        http_method, endpoint, started_at, initiated_by, lease_id, status, attempt_count)
    SELECT i.id, i.connector_id, i.connector_name, i.correlation_id, i.trace_id, i.operation_type,
        i.http_method, i.endpoint, i.started_at, i.initiated_by, i.lease_id, 'InProgress', 0
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::timestamptz[], $10::text[], $11::uuid[], $12::bigint[])
        AS i (id, connector_id, connector_name, correlation_id, trace_id, operation_type, http_method, endpoint,
            started_at, initiated_by, lease_id, connector_version)
    LEFT JOIN connectors c ON c.id = i.connector_id AND c.version = i.connector_version AND c.status = 'Enabled'
        AND c.deleted_at IS NULL
    JOIN leases l ON l.id = i.lease_id
        AND l.valid_until_ms > (extract(epoch FROM clock_timestamp()) * 1000)::bigint
    -- A test names no version: it is made in whatever state its connector is, or without one.
    WHERE i.connector_version IS NULL OR c.id IS NOT NULL
    ON CONFLICT (id) DO NOTHING
    RETURNING id, connector_id
),
skipped AS (
    INSERT INTO integration_logs (id, connector_id, connector_name, correlation_id, trace_id, operation_type,
        http_method, endpoint, started_at, initiated_by, status, attempt_count, http_status_code, error_code,
        error_message, error_details, retryable, retry_after_ms, duration_ms, completed_at)
    SELECT s.id, s.connector_id, s.connector_name, s.correlation_id, s.trace_id, s.operation_type,
        s.http_method, s.endpoint, s.started_at, s.initiated_by, s.status, s.attempt_count, s.http_status_code,
        s.error_code, s.error_message, s.error_details, s.retryable, s.retry_after_ms, s.duration_ms, s.completed_at
    FROM json_populate_recordset(NULL::integration_logs, $39::text::json) s
    ON CONFLICT (id) DO UPDATE SET id = excluded.id
    RETURNING id
),
counted AS (
    UPDATE integration_logs g SET attempt_count = greatest(g.attempt_count, a.number)
    FROM unnest($13::uuid[], $14::int[]) AS a (id, number)
    WHERE g.id = a.id AND g.status = 'InProgress' AND EXISTS (
        SELECT 1 FROM leases l WHERE l.id = g.lease_id
            AND l.valid_until_ms > (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    RETURNING g.id
),
ended AS (
    UPDATE integration_logs g SET status = o.status, attempt_count = o.attempt_count,
        http_status_code = o.http_status_code, error_code = o.error_code, error_message = o.error_message,
        error_details = o.error_details, retryable = o.retryable, retry_after_ms = o.retry_after_ms,
        duration_ms = o.duration_ms, completed_at = o.completed_at, endpoint = o.endpoint
    FROM unnest($15::uuid[], $16::text[], $17::int[], $18::int[], $19::text[], $20::text[], $21::text[], $22::bool[],
        $23::bigint[], $24::bigint[], $25::timestamptz[], $26::text[])
        AS o (id, status, attempt_count, http_status_code, error_code, error_message, error_details, retryable,
            retry_after_ms, duration_ms, completed_at, endpoint)
    WHERE g.id = o.id AND g.status = 'InProgress' AND EXISTS (
        SELECT 1 FROM leases l WHERE l.id = g.lease_id
            AND l.valid_until_ms > (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    RETURNING g.id
),
written AS (
    SELECT id FROM counted UNION ALL SELECT id FROM ended
),
attempts AS (
    INSERT INTO integration_log_attempts (log_id, number, started_at, duration_ms, waited_ms, wait_reason,
        http_status_code, error_code, error_message)
    SELECT a.*
    FROM unnest($27::uuid[], $28::int[], $29::timestamptz[], $30::bigint[], $31::bigint[], $32::text[], $33::int[],
        $34::text[], $35::text[])
        AS a (log_id, number, started_at, duration_ms, waited_ms, wait_reason, http_status_code, error_code,
            error_message)
    JOIN written w ON w.id = a.log_id
    ON CONFLICT (log_id, number) DO NOTHING
),
payloads AS (
    INSERT INTO integration_log_payloads (log_id, request_summary, response_summary)
    SELECT p.*
    FROM unnest($36::uuid[], $37::text[], $38::text[]) AS p (log_id, request_summary, response_summary)
    JOIN ended e ON e.id = p.log_id
    ON CONFLICT (log_id) DO NOTHING
)
SELECT b.id, EXISTS (SELECT 1 FROM paused_connectors p WHERE p.connector_id = b.connector_id) FROM begun b
UNION ALL SELECT id, false FROM written
UNION ALL SELECT id, false FROM skipped

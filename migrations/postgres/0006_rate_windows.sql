-- What every connector was permitted in the last minute, by the clock of this server, and the pause that its upstream
-- asked for. `moments` and `permits` are one list of buckets, the oldest first: so many permits, the last of them then.
CREATE TABLE rate_windows (
    connector_id UUID PRIMARY KEY REFERENCES connectors (id),
    moments TIMESTAMPTZ[] NOT NULL,
    permits INTEGER[] NOT NULL,
    -- The last ask, and what it was given; NULL before the first.
    asked_at TIMESTAMPTZ,
    granted INTEGER,
    paused_until TIMESTAMPTZ,
    -- The switching under which the pause was asked for: another one ends it.
    paused_under TIMESTAMPTZ,
    CHECK (cardinality(moments) = cardinality(permits))
);

-- The pauses that hold at this moment.
CREATE VIEW paused_connectors AS
SELECT w.connector_id, w.paused_until
FROM rate_windows w
JOIN connectors c ON c.id = w.connector_id AND c.status_changed_at = w.paused_under
WHERE w.paused_until > clock_timestamp();

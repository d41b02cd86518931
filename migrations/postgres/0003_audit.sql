-- Hashes are lower-case hexadecimal text, for people who verify the chain by hand.
-- action has no CHECK: what is audited grows, and rows of the audit are never rewritten.
CREATE TABLE audit_entries (
    sequence BIGINT PRIMARY KEY CHECK (sequence >= 1),
    at TIMESTAMPTZ NOT NULL,
    actor TEXT NOT NULL,
    actor_type TEXT NOT NULL CHECK (actor_type IN ('Local', 'ApiKey', 'Oidc', 'System')),
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    connector_id UUID REFERENCES connectors (id),
    reason TEXT,
    changes TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    source_address TEXT,
    previous_hash TEXT NOT NULL CHECK (length(previous_hash) = 64),
    hash TEXT NOT NULL CHECK (length(hash) = 64)
);

CREATE INDEX audit_entries_by_connector ON audit_entries (connector_id, sequence);
CREATE INDEX audit_entries_by_actor ON audit_entries (actor, sequence);
CREATE INDEX audit_entries_by_correlation ON audit_entries (correlation_id, sequence);

-- The end of the chain. Whoever appends holds this row until the commit, so that numbers have no gaps and no two
-- entries follow the same one. A database sequence would leave a gap after every rollback.
CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sequence BIGINT NOT NULL,
    hash TEXT NOT NULL CHECK (length(hash) = 64)
);

INSERT INTO audit_head (id, sequence, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

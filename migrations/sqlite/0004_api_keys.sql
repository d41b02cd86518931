-- A key itself is nowhere: digest is its SHA-256 in lower-case hexadecimal.
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'approver', 'admin', 'auditor', 'service')),
    all_connectors INTEGER NOT NULL CHECK (all_connectors IN (0, 1)),
    digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT,
    revoked_by TEXT
) STRICT;

CREATE UNIQUE INDEX api_keys_name ON api_keys (name) WHERE revoked_at IS NULL;

-- The connectors of a key that has not all of them.
CREATE TABLE api_key_connectors (
    key_id TEXT NOT NULL REFERENCES api_keys (id),
    connector_id TEXT NOT NULL REFERENCES connectors (id),
    PRIMARY KEY (key_id, connector_id)
) STRICT;

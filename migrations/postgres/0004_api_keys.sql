-- A key itself is nowhere: digest is its SHA-256 in lower-case hexadecimal.
CREATE TABLE api_keys (
    id UUID PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'approver', 'admin', 'auditor', 'service')),
    all_connectors BOOLEAN NOT NULL,
    digest TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
    created_at TIMESTAMPTZ NOT NULL,
    created_by TEXT NOT NULL,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    revoked_by TEXT
);

CREATE UNIQUE INDEX api_keys_name ON api_keys (name) WHERE revoked_at IS NULL;

-- The connectors of a key that has not all of them.
CREATE TABLE api_key_connectors (
    key_id UUID NOT NULL REFERENCES api_keys (id),
    connector_id UUID NOT NULL REFERENCES connectors (id),
    PRIMARY KEY (key_id, connector_id)
);

-- What requests with an `Idempotency-Key` came to. A key is claimed in the transaction of its effect.
CREATE TABLE idempotency_keys (
    actor_type TEXT NOT NULL CHECK (actor_type IN ('Local', 'ApiKey', 'Oidc', 'System')),
    actor TEXT NOT NULL,
    idempotency_key TEXT NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    fingerprint TEXT NOT NULL CHECK (length(fingerprint) = 64),
    claimed_at TEXT NOT NULL,
    -- The call that it began. The answer to it comes with its outcome, or never if its process dies.
    log_id TEXT REFERENCES integration_logs (id) ON DELETE CASCADE,
    answer_status INTEGER CHECK (answer_status BETWEEN 100 AND 599),
    -- An array of pairs: name, value.
    answer_headers TEXT,
    answer_body BLOB,
    PRIMARY KEY (actor_type, actor, idempotency_key),
    CHECK ((answer_status IS NULL) = (answer_headers IS NULL) AND (answer_status IS NULL) = (answer_body IS NULL)),
    CHECK (answer_status IS NOT NULL OR log_id IS NOT NULL)
) STRICT;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (claimed_at);
CREATE INDEX idempotency_keys_by_call ON idempotency_keys (log_id);

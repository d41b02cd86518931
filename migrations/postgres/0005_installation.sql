-- What belongs to this store alone. The key that seals list cursors is made here, once, by the database: every replica
-- reads the same one, and none has to agree with the others. 244 random bits, from two random UUIDs.
CREATE TABLE installation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    cursor_key TEXT NOT NULL CHECK (length(cursor_key) = 64),
    created_at TIMESTAMPTZ NOT NULL
);

INSERT INTO installation (id, cursor_key, created_at)
VALUES (1, encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex'), now());

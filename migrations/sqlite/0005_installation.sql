-- What belongs to this store alone. The key that seals list cursors is made here, once, by the database: every process
-- reads the same one, and none has to agree with the others.
CREATE TABLE installation (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    cursor_key TEXT NOT NULL CHECK (length(cursor_key) = 64),
    created_at TEXT NOT NULL
) STRICT;

INSERT INTO installation (id, cursor_key, created_at)
VALUES (1, lower(hex(randomblob(32))), strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'));

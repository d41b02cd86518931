-- The test of a connector that is not registered is a call through none.
--
-- SQLite drops a NOT NULL only with its table, and dropping this one would take the attempts and payloads of every call
-- along. Rows that have a connector are the same bytes either way, so the text of the schema is all that changes
-- (https://www.sqlite.org/lang_altertable.html, the procedure for "removing NOT NULL constraints"): no row is copied,
-- and indexes, foreign keys and later columns stay.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
SET sql = replace(sql, 'connector_id TEXT NOT NULL REFERENCES connectors (id)', 'connector_id TEXT REFERENCES connectors (id)')
WHERE type = 'table' AND name = 'integration_logs';
PRAGMA writable_schema = RESET;
-- A change of the schema by the ordinary way, so that connections that are open read it anew.
CREATE TABLE schema_was_changed (id INTEGER) STRICT;
DROP TABLE schema_was_changed;

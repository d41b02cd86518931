-- Processes that make calls. A lease that is not extended lapses, and with it the right to write about its calls.
-- valid_until_ms is in milliseconds since 1970.
CREATE TABLE leases (
    id TEXT NOT NULL PRIMARY KEY,
    valid_until_ms INTEGER NOT NULL
) STRICT;

-- Rows from before have none, which is as good as lapsed. No foreign key: leases go, calls stay.
ALTER TABLE integration_logs ADD COLUMN lease_id TEXT;

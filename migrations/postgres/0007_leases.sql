-- Processes that make calls. A lease that is not extended lapses, and with it the right to write about its calls.
-- valid_until_ms is by the clock of this database, in milliseconds since 1970, so that no two machines have to agree.
CREATE TABLE leases (
    id UUID PRIMARY KEY,
    valid_until_ms BIGINT NOT NULL
);

-- Rows from before have none, which is as good as lapsed. No foreign key: leases go, calls stay.
ALTER TABLE integration_logs ADD COLUMN lease_id UUID;

-- The test of a connector that is not registered is a call through none.
ALTER TABLE integration_logs ALTER COLUMN connector_id DROP NOT NULL;

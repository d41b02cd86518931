-- When a key was last presented and taken; processes write it about once a minute.
ALTER TABLE api_keys ADD COLUMN last_used_at TEXT;

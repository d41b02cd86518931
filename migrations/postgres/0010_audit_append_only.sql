-- The audit only grows, whoever asks: grants can be wrong, and an owner needs none. Who owns the tables can still drop the
-- triggers; what happened then shows in the chain and against a head that was kept elsewhere.
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only: no % of %', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

CREATE TRIGGER audit_head_stays BEFORE DELETE OR TRUNCATE ON audit_head
FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- The end moves in two steps, as an entry is written: to the next number, then, with the entry there, to its hash.
CREATE FUNCTION audit_head_advances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id = OLD.id AND NEW.sequence = OLD.sequence + 1 AND NEW.hash = OLD.hash THEN
        RETURN NEW;
    END IF;
    IF NEW.id = OLD.id AND NEW.sequence = OLD.sequence
        AND EXISTS (SELECT FROM audit_entries e WHERE e.sequence = NEW.sequence AND e.hash = NEW.hash) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit is append-only: its end moves to the next entry alone' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER audit_head_advances BEFORE UPDATE ON audit_head
FOR EACH ROW EXECUTE FUNCTION audit_head_advances();

-- Also in sessions that let others pass, such as those of logical replication.
ALTER TABLE audit_entries ENABLE ALWAYS TRIGGER audit_entries_append_only;
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_stays;
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_advances;

-- Roles that were given rights on all tables, perhaps by default privileges (migrations/postgres-roles.sql), keep those on
-- the audit that writing it takes, and none but that of looking at the list of migrations.
DO $$
DECLARE
    given RECORD;
BEGIN
    FOR given IN
        SELECT DISTINCT c.oid::regclass AS relation,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
        FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid IN ('audit_entries'::regclass, 'audit_head'::regclass, '_sqlx_migrations'::regclass)
            AND a.grantee <> c.relowner
    LOOP
        EXECUTE format(
            'REVOKE %s ON %s FROM %s',
            CASE given.relation
                WHEN 'audit_entries'::regclass THEN 'UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'
                WHEN 'audit_head'::regclass THEN 'INSERT, DELETE, TRUNCATE, REFERENCES, TRIGGER'
                ELSE 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'
            END,
            given.relation,
            given.grantee
        );
    END LOOP;
END
$$;

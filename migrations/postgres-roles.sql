-- The roles of the service on PostgreSQL, and what each may do. Run it as a superuser in the service's database, before the
-- first migration or on a store that is there; once more changes nothing:
--
--     psql --set ON_ERROR_STOP=1 --file postgres-roles.sql "$DATABASE_URL_OF_A_SUPERUSER"
--
-- connectors_owner     owns the schema and everything in it; nobody logs in as it
-- connectors_migrator  runs `connectors migrate`, as the owner
-- connectors_app       runs `connectors serve`; it owns nothing, and of the audit it may only read and add
--
-- Other names: --set owner=NAME --set migrator=NAME --set app=NAME. Passwords are not set here: \password connectors_app.

\if :{?owner} \else \set owner connectors_owner \endif
\if :{?migrator} \else \set migrator connectors_migrator \endif
\if :{?app} \else \set app connectors_app \endif

BEGIN;

SELECT format('CREATE ROLE %I NOLOGIN', :'owner') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') \gexec
SELECT format('CREATE ROLE %I LOGIN NOINHERIT', :'migrator')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'migrator') \gexec
SELECT format('CREATE ROLE %I LOGIN', :'app') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'app') \gexec

-- What a migration makes belongs to the owner, not to whoever ran it.
GRANT :"owner" TO :"migrator";
SELECT format('ALTER ROLE %I IN DATABASE %I SET role = %L', :'migrator', current_database(), :'owner') \gexec

SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO %I, %I', current_database(), :'migrator', :'app') \gexec
ALTER SCHEMA public OWNER TO :"owner";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM :"app";
GRANT USAGE ON SCHEMA public TO :"app";

-- Of what later migrations make. Those on the audit and on the list of migrations are taken back by the migration that
-- makes the audit append-only.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT USAGE ON SEQUENCES TO :"app";

-- Of what is there already, whoever made it.
SELECT format('ALTER %s %s OWNER TO %I', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass, :'owner')
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') \gexec
SELECT format('ALTER FUNCTION %s OWNER TO %I', oid::regprocedure, :'owner')
FROM pg_proc
WHERE pronamespace = 'public'::regnamespace \gexec
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM :"app";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"app";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO :"app";

SELECT format('REVOKE %s ON %I FROM %I', rights, name, :'app')
FROM (VALUES
    ('audit_entries', 'UPDATE, DELETE'),
    ('audit_head', 'INSERT, DELETE'),
    ('_sqlx_migrations', 'INSERT, UPDATE, DELETE')
) AS taken (name, rights)
WHERE to_regclass('public.' || name) IS NOT NULL \gexec

COMMIT;

DROP SCHEMA IF EXISTS balances, entries, transfers CASCADE;
DROP INDEX events_status_changed;
DROP TABLE checkpoints;
DO $$
BEGIN
    EXECUTE format('REVOKE CREATE ON DATABASE %I FROM daybook', current_database());
END
$$;

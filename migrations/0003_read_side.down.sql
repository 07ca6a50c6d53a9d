DROP SCHEMA IF EXISTS balances, entries, transfers CASCADE;
DROP TABLE checkpoints;
DO $$
BEGIN
    EXECUTE format('REVOKE CREATE ON DATABASE %I FROM daybook', current_database());
END
$$;

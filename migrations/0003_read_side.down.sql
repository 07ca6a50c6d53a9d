-- With what a rebuild may have left beside them.
DROP SCHEMA IF EXISTS balances, balances_shadow, balances_previous, entries, entries_shadow,
    entries_previous, transfers, transfers_shadow, transfers_previous CASCADE;
DROP INDEX events_status_changed;
DROP TABLE checkpoints;
DO $$
BEGIN
    EXECUTE format('REVOKE CREATE ON DATABASE %I FROM daybook', current_database());
END
$$;

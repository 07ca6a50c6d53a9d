-- What 0003 leaves: the newest read model, and what rebuilds had no time to drop.
DROP SCHEMA IF EXISTS audit, audit_shadow, audit_previous, audit_outdated, balances_outdated,
    entries_outdated, transfers_outdated CASCADE;
REVOKE SELECT ON event_log, checkpoints FROM daybook_reader;
ALTER TABLE checkpoints DROP COLUMN parked, DROP COLUMN epoch;
DROP TABLE parked_keys;
-- The role stays: other databases of the cluster may use it. What read models grant goes with them.

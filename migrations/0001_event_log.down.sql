REVOKE SELECT ON schema_migrations FROM daybook;
DROP VIEW event_log;
DROP FUNCTION position_at;
DROP FUNCTION version_at;
DROP TABLE events;
DROP TABLE ledger_head;
DROP FUNCTION refuse_turning_back();
DROP FUNCTION refuse_change_of_log();
-- The role stays: other databases of the cluster may use it.

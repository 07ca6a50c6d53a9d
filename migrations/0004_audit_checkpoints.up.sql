-- What proves the log to people outside: signed checkpoints, and the inner nodes of its Merkle tree.

-- Roots of perfect subtrees of 1,024 events and more. Later events never change them, so a checkpoint
-- hashes only what is new, and a proof reads a few rows.
CREATE TABLE audit_nodes (
    level smallint NOT NULL CHECK (level BETWEEN 10 AND 62),
    index bigint   NOT NULL CHECK (index >= 0),
    hash  bytea    NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, index)
);
COMMENT ON TABLE audit_nodes IS 'node over the events index * 2^level + 1 to (index + 1) * 2^level; see docs/audit.md';

CREATE TABLE audit_checkpoints (
    position bigint      NOT NULL PRIMARY KEY CHECK (position > 0),
    note     text        NOT NULL,
    tail     bytea       CHECK (octet_length(tail) = 32),
    made_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN audit_checkpoints.note IS 'the signed statement, as it also is in a file that an auditor keeps';
COMMENT ON COLUMN audit_checkpoints.tail IS 'node over the events behind the last whole 1,024: with audit_nodes it gives the root that was signed';

CREATE TRIGGER audit_nodes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_nodes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log();
CREATE TRIGGER audit_checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log();

GRANT SELECT, INSERT ON audit_nodes, audit_checkpoints TO daybook;

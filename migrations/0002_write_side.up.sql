-- What the writer keeps beside the log, in the log's own transactions.

-- States to start a cold load from. They can be deleted at any time; loads then read whole streams.
CREATE TABLE snapshots (
    originator_id uuid     NOT NULL PRIMARY KEY,
    version       bigint   NOT NULL,
    shape         smallint NOT NULL,
    state         bytea    NOT NULL
);
COMMENT ON COLUMN snapshots.shape IS 'version of the state''s fields: another shape is ignored';

-- One row a request that came with an Idempotency-Key: its first answer, refusals too.
CREATE TABLE idempotency_keys (
    caller      text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL,
    status      smallint    NOT NULL CHECK (status BETWEEN 200 AND 599),
    body        bytea       NOT NULL,
    position    bigint      NOT NULL,
    answered_at timestamptz NOT NULL,
    PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_keys_answered ON idempotency_keys (answered_at);
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'SHA-256 of method, path and body of the first request';

-- When pending transfers expire. A row goes when its transfer is posted, voided or expired.
CREATE TABLE deadlines (
    transfer_id uuid        NOT NULL PRIMARY KEY,
    due_at      timestamptz NOT NULL
);
CREATE INDEX deadlines_due ON deadlines (due_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON snapshots, idempotency_keys, deadlines TO daybook;

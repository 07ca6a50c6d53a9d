-- The last rebuild of each read model, under way or over: it outlives whoever does it.
CREATE TABLE rebuilds (
    name               text        NOT NULL PRIMARY KEY,
    id                 uuid        NOT NULL DEFAULT gen_random_uuid(),
    code_version       int         NOT NULL,
    phase              text        NOT NULL DEFAULT 'filling' CHECK (phase IN (
        'waiting', 'filling', 'indexing', 'verifying', 'swapping', 'paused',
        'swapped', 'verified', 'different', 'cancelled', 'failed')),
    only_verify        boolean     NOT NULL DEFAULT false,
    accept_differences boolean     NOT NULL DEFAULT false,
    is_indexed         boolean     NOT NULL DEFAULT false,
    is_verified        boolean     NOT NULL DEFAULT false,
    throttle           int         CHECK (throttle > 0),
    parallel           smallint    NOT NULL DEFAULT 1 CHECK (parallel > 0),
    requested          text        CHECK (requested IN ('pause', 'cancel')),
    total              bigint      NOT NULL DEFAULT 0,
    started_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    resumed_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    resumed_from       bigint      NOT NULL DEFAULT 0,
    updated_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    report             jsonb,
    error              text
);
COMMENT ON COLUMN rebuilds.id IS 'who has seen another id works for a rebuild that is over';
COMMENT ON COLUMN rebuilds.phase IS 'waiting: for a projector to begin or resume it';
COMMENT ON COLUMN rebuilds.throttle IS 'events a second at most';
COMMENT ON COLUMN rebuilds.requested IS 'what an operator asks of whoever does it; obeyed after the batch in hand';
COMMENT ON COLUMN rebuilds.total IS 'events to be done, as far as is known';
COMMENT ON COLUMN rebuilds.resumed_from IS 'events that were done at resumed_at: the rate is counted from there';
COMMENT ON COLUMN rebuilds.report IS 'how the rebuilt rows compare with the live ones at one position';

-- How far each part of the streams is; moves in the transaction that writes the part's rows.
CREATE TABLE rebuild_partitions (
    name      text     NOT NULL REFERENCES rebuilds (name) ON DELETE CASCADE,
    partition smallint NOT NULL,
    position  bigint   NOT NULL DEFAULT 0 CHECK (position >= 0),
    PRIMARY KEY (name, partition)
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE, DELETE ON rebuilds, rebuild_partitions TO daybook;

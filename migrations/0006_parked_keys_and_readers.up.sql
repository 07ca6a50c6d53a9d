-- What a read model can't show for now: the keys whose events its code fails on. Everything else goes on.
CREATE TABLE parked_keys (
    model     text        NOT NULL,
    key       uuid        NOT NULL,
    position  bigint      NOT NULL CHECK (position > 0),
    error     text        NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (model, key)
);
COMMENT ON COLUMN parked_keys.key IS 'what the events are about: an account, a transfer, or a stream';
COMMENT ON COLUMN parked_keys.position IS 'the first event of the key that the read model does not show';

ALTER TABLE checkpoints
    ADD COLUMN parked int    NOT NULL DEFAULT 0 CHECK (parked >= 0),
    ADD COLUMN epoch  bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN checkpoints.parked IS 'how many keys are parked';
COMMENT ON COLUMN checkpoints.epoch IS
    'rises when others than the runner change the tables: it then looks again before it writes';

GRANT SELECT, INSERT, UPDATE, DELETE ON parked_keys TO daybook;

-- For analysts: sees the log and the read models, and changes nothing. Roles belong to the whole cluster,
-- so another database's migration may have made it already.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'daybook_reader') THEN
        CREATE ROLE daybook_reader LOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
GRANT SELECT ON event_log, checkpoints, parked_keys TO daybook_reader;

-- How far each read model is. The read models themselves are schemas of their own, made by the runner.
CREATE TABLE checkpoints (
    name         text        NOT NULL PRIMARY KEY,
    position     bigint      NOT NULL CHECK (position >= 0),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    code_version int         NOT NULL DEFAULT 0,
    error        text
);
COMMENT ON COLUMN checkpoints.code_version IS 'version of the code that filled the read model';
COMMENT ON COLUMN checkpoints.error IS 'why the read model stands still, when it does';

-- Changes of status are rare, and an account's last one is asked for at past positions.
CREATE INDEX events_status_changed ON events (originator_id, originator_version)
    WHERE topic = 'account.status_changed';

GRANT SELECT, INSERT, UPDATE, DELETE ON checkpoints TO daybook;

DO $$
BEGIN
    EXECUTE format('GRANT CREATE ON DATABASE %I TO daybook', current_database());
END
$$;

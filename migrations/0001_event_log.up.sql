-- The log of events, the head that orders it, and what makes both append-only.

-- The role that the application runs as. It may add to the log, never change it. Roles belong to the
-- whole cluster, so another database's migration may have made it already.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'daybook') THEN
        CREATE ROLE daybook LOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

CREATE TABLE events (
    notification_id    bigint      NOT NULL PRIMARY KEY CHECK (notification_id > 0),
    originator_id      uuid        NOT NULL,
    originator_version bigint      NOT NULL CHECK (originator_version >= 0),
    topic              text        NOT NULL,
    recorded_at        timestamptz NOT NULL,
    metadata           bytea       NOT NULL,
    state              bytea       NOT NULL,
    hash               bytea       NOT NULL CHECK (octet_length(hash) = 32),
    CONSTRAINT events_stream_version UNIQUE (originator_id, originator_version)
);
COMMENT ON COLUMN events.notification_id IS 'position in the log: 1, 2, 3 ... without gaps, in commit order';
COMMENT ON COLUMN events.state IS 'JSON bytes exactly as they were hashed';
COMMENT ON COLUMN events.hash IS 'SHA-256 of the previous hash and this row; see docs/chain.md';

-- One row. Whoever holds its lock owns the next positions.
CREATE TABLE ledger_head (
    only_row    boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    position    bigint      NOT NULL CHECK (position >= 0),
    hash        bytea       NOT NULL CHECK (octet_length(hash) = 32),
    recorded_at timestamptz NOT NULL
) WITH (fillfactor = 20);
INSERT INTO ledger_head (position, hash, recorded_at)
VALUES (0, decode(repeat('00', 32), 'hex'), 'epoch');

CREATE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only: % of % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation',
              HINT = 'Correct a mistake with a new event, for example a reversal.';
END
$$;

CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log();
CREATE FUNCTION refuse_turning_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.position < OLD.position OR NEW.recorded_at < OLD.recorded_at THEN
        RAISE EXCEPTION 'the head of the log moves forward only'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER ledger_head_rises BEFORE UPDATE ON ledger_head
    FOR EACH ROW EXECUTE FUNCTION refuse_turning_back();
CREATE TRIGGER ledger_head_stays BEFORE DELETE OR TRUNCATE ON ledger_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log();

-- The place in a stream, and in the log, at some moment. Positions, versions and times rise together,
-- so both are binary searches: about twenty index look-ups for a million events.
CREATE FUNCTION version_at(stream uuid, at_position bigint) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    low    bigint := 0;
    high   bigint;
    middle bigint;
BEGIN
    SELECT originator_version INTO high FROM events
     WHERE originator_id = stream ORDER BY originator_version DESC LIMIT 1;
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF EXISTS (SELECT FROM events WHERE originator_id = stream
                   AND originator_version = middle AND notification_id <= at_position) THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END
$$;
COMMENT ON FUNCTION version_at IS 'version of the stream''s last event at or before a position; 0: none';

CREATE FUNCTION position_at(moment timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    low    bigint := 0;
    high   bigint;
    middle bigint;
BEGIN
    SELECT position INTO high FROM ledger_head;
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF EXISTS (SELECT FROM events
                   WHERE notification_id = middle AND recorded_at <= moment) THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END
$$;
COMMENT ON FUNCTION position_at IS 'position of the last event recorded at or before a moment; 0: none';

-- For analysts: the same log with its JSON opened.
CREATE VIEW event_log AS
SELECT notification_id                             AS position,
       originator_id                               AS stream_id,
       originator_version                          AS version,
       topic,
       recorded_at,
       convert_from(metadata, 'UTF8')::jsonb       AS metadata,
       convert_from(state, 'UTF8')::jsonb          AS data
FROM events;

GRANT SELECT ON schema_migrations TO daybook;
GRANT SELECT, INSERT ON events TO daybook;
GRANT SELECT, UPDATE ON ledger_head TO daybook;
GRANT SELECT ON event_log TO daybook;

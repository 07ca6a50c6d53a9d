CREATE TABLE person (
    id             uuid        NOT NULL PRIMARY KEY,
    email          text        NOT NULL,
    full_name      text        NOT NULL,
    role           text        NOT NULL,
    status         text        NOT NULL,
    verified       boolean     NOT NULL,
    registered_by  uuid,
    registered_at  timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    version        bigint      NOT NULL,
    first_position bigint      NOT NULL,
    position       bigint      NOT NULL
) WITH (fillfactor = 90);
COMMENT ON COLUMN person.email IS 'sealed as in the event; [erased] once the person''s key was destroyed';
COMMENT ON COLUMN person.full_name IS 'sealed as in the event; [erased] once the person''s key was destroyed';
COMMENT ON COLUMN person.verified IS 'whether the address was verified; a new one is not';
COMMENT ON COLUMN person.registered_by IS 'who made the user, when it was not the person';
COMMENT ON COLUMN person.updated_at IS 'when its last event was recorded';
COMMENT ON COLUMN person.first_position IS 'position of user.registered: the order of lists';
COMMENT ON COLUMN person.position IS 'position of its last event';

CREATE TABLE notice (
    position       bigint      NOT NULL,
    recorded_at    timestamptz NOT NULL,
    kind           text        NOT NULL,
    reason         text        NOT NULL,
    action         text        NOT NULL,
    actor          text        NOT NULL,
    address        text        NOT NULL,
    user_agent     text        NOT NULL,
    key_id         uuid,
    correlation_id text        NOT NULL,
    count          bigint      NOT NULL
);
COMMENT ON COLUMN notice.kind IS 'the topic without its prefix; admin_action: what was done to a user or an approval';
COMMENT ON COLUMN notice.reason IS 'code of the problem; of an admin_action its topic';
COMMENT ON COLUMN notice.action IS 'method and route; of an admin_action what was done, in words';
COMMENT ON COLUMN notice.address IS 'sealed under the key `key_id`';
COMMENT ON COLUMN notice.user_agent IS 'sealed under the key `key_id`';
COMMENT ON COLUMN notice.count IS 'how many alike were noticed at once';

CREATE TABLE event (
    position         bigint      NOT NULL,
    stream_id        uuid        NOT NULL,
    version          bigint      NOT NULL,
    recorded_at      timestamptz NOT NULL,
    topic            text        NOT NULL,
    account_id       uuid,
    other_account_id uuid,
    actor            text        NOT NULL,
    correlation_id   text        NOT NULL,
    causation_id     text        NOT NULL,
    command_id       text        NOT NULL,
    summary          text        NOT NULL
);
COMMENT ON COLUMN event.account_id IS 'the account that the event is about; of a transfer its source';
COMMENT ON COLUMN event.other_account_id IS 'of a transfer its destination';
COMMENT ON COLUMN event.summary IS 'what happened, in words; amounts are decimals of the currency';

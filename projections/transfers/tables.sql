-- Amounts are minor units of the transfer's currency.
CREATE TABLE transfer (
    id              uuid        NOT NULL PRIMARY KEY,
    status          text        NOT NULL,
    source_id       uuid        NOT NULL,
    destination_id  uuid        NOT NULL,
    currency        text        NOT NULL,
    amount          bigint      NOT NULL,
    requested       bigint      NOT NULL,
    reversed        bigint      NOT NULL,
    reverses        uuid,
    description     text        NOT NULL,
    reference       text        NOT NULL,
    metadata        jsonb       NOT NULL,
    effective_at    timestamptz,
    expires_at      timestamptz,
    recorded_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    first_position  bigint      NOT NULL,
    position        bigint      NOT NULL,
    debit_position  bigint,
    credit_position bigint,
    reason          text        NOT NULL
) WITH (fillfactor = 90);
COMMENT ON COLUMN transfer.amount IS 'what is held while pending, else what moved';
COMMENT ON COLUMN transfer.requested IS 'what was asked for; more than the amount when up_to posted less';
COMMENT ON COLUMN transfer.reversed IS 'how much of the amount went back since';
COMMENT ON COLUMN transfer.effective_at IS 'value date, when the caller gave one';
COMMENT ON COLUMN transfer.first_position IS 'position of its first event: the order of lists';
COMMENT ON COLUMN transfer.position IS 'position of its own last event';
COMMENT ON COLUMN transfer.debit_position IS 'position of the source''s entry, once money moved';
COMMENT ON COLUMN transfer.credit_position IS 'position of the destination''s entry, once money moved';

-- Amounts are minor units of the account's currency.
CREATE TABLE entry (
    account_id      uuid        NOT NULL,
    position        bigint      NOT NULL,
    transfer_id     uuid        NOT NULL,
    counterparty_id uuid        NOT NULL,
    direction       text        NOT NULL,
    amount          bigint      NOT NULL,
    balance         bigint      NOT NULL,
    effective_at    timestamptz NOT NULL,
    recorded_at     timestamptz NOT NULL,
    description     text        NOT NULL,
    reference       text        NOT NULL
);
COMMENT ON COLUMN entry.direction IS 'debit: money left the account; credit: money came in';
COMMENT ON COLUMN entry.balance IS 'the account''s balance right after this entry, in order of recording';
COMMENT ON COLUMN entry.effective_at IS 'value date: the transfer''s own, else when it was recorded';

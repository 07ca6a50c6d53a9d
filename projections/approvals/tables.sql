CREATE TABLE approval (
    id             uuid        NOT NULL PRIMARY KEY,
    status         text        NOT NULL,
    kind           text        NOT NULL,
    maker_id       uuid        NOT NULL,
    checker_id     uuid,
    asked          jsonb       NOT NULL,
    expires_at     timestamptz NOT NULL,
    reason         text        NOT NULL,
    requested_at   timestamptz NOT NULL,
    decided_at     timestamptz,
    version        bigint      NOT NULL,
    first_position bigint      NOT NULL,
    position       bigint      NOT NULL
) WITH (fillfactor = 90);
COMMENT ON COLUMN approval.kind IS 'transfer, role_change, investment, bank_transfer, repayment, funding or review';
COMMENT ON COLUMN approval.checker_id IS 'who approved or rejected it';
COMMENT ON COLUMN approval.asked IS 'as in approval.requested: amounts in minor units, and nothing that is sealed or has its default';
COMMENT ON COLUMN approval.reason IS 'why it was rejected or withdrawn';
COMMENT ON COLUMN approval.first_position IS 'position of approval.requested: the order of lists';
COMMENT ON COLUMN approval.position IS 'position of its last event';

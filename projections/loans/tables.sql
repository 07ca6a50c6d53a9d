-- Amounts are minor units of the loan's currency.
CREATE TABLE loan (
    id                  uuid        NOT NULL PRIMARY KEY,
    application_id      uuid        NOT NULL,
    owner_id            uuid,
    currency            text        NOT NULL,
    principal           bigint      NOT NULL,
    annual_rate_bps     bigint      NOT NULL,
    months              bigint      NOT NULL,
    method              text        NOT NULL,
    day_count           text        NOT NULL,
    started_on          date        NOT NULL,
    customer_account_id uuid        NOT NULL,
    loan_account_id     uuid        NOT NULL,
    funding_account_id  uuid        NOT NULL,
    opened_at           timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    version             bigint      NOT NULL,
    first_position      bigint      NOT NULL,
    position            bigint      NOT NULL,
    status              text        NOT NULL,
    outstanding         bigint      NOT NULL,
    interest_paid       bigint      NOT NULL,
    principal_paid      bigint      NOT NULL,
    next_due            date,
    next_amount         bigint      NOT NULL,
    arrears_amount      bigint      NOT NULL,
    arrears_since       date,
    settled_on          date
) WITH (fillfactor = 70);
COMMENT ON COLUMN loan.customer_account_id IS 'where the money went';
COMMENT ON COLUMN loan.loan_account_id IS 'whose balance, below zero, is what is owed';
COMMENT ON COLUMN loan.outstanding IS 'the principal that is owed';
COMMENT ON COLUMN loan.next_due IS 'of the first instalment that is not paid in full, be it overdue';
COMMENT ON COLUMN loan.next_amount IS 'what is not paid of that one';
COMMENT ON COLUMN loan.arrears_amount IS 'what is not paid of instalments that are overdue';
COMMENT ON COLUMN loan.arrears_since IS 'when the oldest of those was due';
COMMENT ON COLUMN loan.first_position IS 'position of its first event: the order of lists';

-- The schedule as it is now: what will not be due any more is not in it.
CREATE TABLE instalment (
    loan_id        uuid   NOT NULL,
    number         bigint NOT NULL,
    due            date   NOT NULL,
    principal      bigint NOT NULL,
    interest       bigint NOT NULL,
    balance_after  bigint NOT NULL,
    paid_principal bigint NOT NULL,
    paid_interest  bigint NOT NULL,
    overdue_at     timestamptz
) WITH (fillfactor = 70);
COMMENT ON COLUMN instalment.overdue_at IS 'when it was found unpaid after its due date';

CREATE TABLE repayment (
    id           uuid        NOT NULL,
    loan_id      uuid        NOT NULL,
    amount       bigint      NOT NULL,
    interest     bigint      NOT NULL,
    principal    bigint      NOT NULL,
    "on"         date        NOT NULL,
    account_id   uuid        NOT NULL,
    transfer_ids uuid[]      NOT NULL,
    parts        jsonb       NOT NULL,
    outstanding  bigint      NOT NULL,
    is_early     boolean     NOT NULL,
    at           timestamptz NOT NULL,
    position     bigint      NOT NULL,
    PRIMARY KEY (loan_id, id)
);
COMMENT ON COLUMN repayment.id IS 'chosen by who repays: unique for a loan, not for all';
COMMENT ON COLUMN repayment.parts IS 'a list of [number, interest, principal] of the instalments it paid; 0: of none, ahead of time';
COMMENT ON COLUMN repayment.outstanding IS 'the principal that was owed after it';

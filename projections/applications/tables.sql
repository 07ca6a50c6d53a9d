-- Amounts are minor units of the application's currency.
CREATE TABLE application (
    id                  uuid        NOT NULL PRIMARY KEY,
    country             text        NOT NULL,
    status              text        NOT NULL,
    owner_id            uuid,
    submitted_by        text        NOT NULL,
    person_id           uuid,
    applicant_id        uuid        NOT NULL,
    full_name           text        NOT NULL,
    document_type       text        NOT NULL,
    document_hint       text        NOT NULL,
    currency            text        NOT NULL,
    monthly_income      bigint      NOT NULL,
    amount_requested    bigint      NOT NULL,
    months              bigint      NOT NULL,
    loan_type           text        NOT NULL,
    account_id          uuid,
    submitted_at        timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    version             bigint      NOT NULL,
    first_position      bigint      NOT NULL,
    position            bigint      NOT NULL,
    report_id           uuid,
    round               bigint      NOT NULL,
    is_waiting          boolean     NOT NULL,
    is_referred         boolean     NOT NULL,
    unavailable         text        NOT NULL,
    credit_score        bigint,
    total_debt          bigint,
    bank_name           text        NOT NULL,
    account_status      text        NOT NULL,
    is_verified         boolean     NOT NULL,
    decision            text        NOT NULL,
    reasons             text[]      NOT NULL,
    table_name          text        NOT NULL,
    table_version       text        NOT NULL,
    digest              text        NOT NULL,
    row_id              text        NOT NULL,
    max_approved_amount bigint,
    decided_at          timestamptz,
    review_since        timestamptz,
    review_position     bigint,
    officer_id          uuid,
    claimed_until       timestamptz,
    approved_amount     bigint,
    offer_amount        bigint,
    offer_rate_bps      bigint,
    offer_months        bigint,
    offer_expires_at    timestamptz,
    offer_status        text        NOT NULL,
    attempts            bigint      NOT NULL,
    loan_id             uuid,
    disbursed_at        timestamptz
) WITH (fillfactor = 70);
COMMENT ON COLUMN application.owner_id IS 'whose application it is';
COMMENT ON COLUMN application.person_id IS 'whose key seals the name';
COMMENT ON COLUMN application.applicant_id IS 'stands for the document, without telling it';
COMMENT ON COLUMN application.full_name IS 'sealed as in the event';
COMMENT ON COLUMN application.document_hint IS 'its number with all but a few characters hidden';
COMMENT ON COLUMN application.round IS 'counts how often the bureau was to be asked';
COMMENT ON COLUMN application.is_waiting IS 'for the bureau''s report';
COMMENT ON COLUMN application.is_referred IS 'an officer is to look at it, whatever its status';
COMMENT ON COLUMN application.unavailable IS 'why there is no report';
COMMENT ON COLUMN application.credit_score IS 'of the report that was asked for last, like the debt and the bank';
COMMENT ON COLUMN application.decision IS 'what the decision table said';
COMMENT ON COLUMN application.reasons IS 'for the status: of the table, the officer, the partner or the applicant';
COMMENT ON COLUMN application.row_id IS 'the row of the table that matched first';
COMMENT ON COLUMN application.decided_at IS 'when it was approved, pre-approved or rejected first';
COMMENT ON COLUMN application.review_since IS 'since when it waits for an officer';
COMMENT ON COLUMN application.review_position IS 'position of the event since which it does: the order of the queue';
COMMENT ON COLUMN application.officer_id IS 'who has claimed it, until claimed_until, or without that has reviewed it';
COMMENT ON COLUMN application.offer_status IS 'made, accepted, declined, expired or disbursed; empty: there is no offer';
COMMENT ON COLUMN application.attempts IS 'how often the money could not be paid out';
COMMENT ON COLUMN application.first_position IS 'position of its first event: the order of lists';

-- What has happened to it, event by event.
CREATE TABLE application_step (
    application_id uuid        NOT NULL,
    number         bigint      NOT NULL,
    name           text        NOT NULL,
    status         text        NOT NULL,
    at             timestamptz NOT NULL,
    position       bigint      NOT NULL,
    actor          text        NOT NULL,
    note           text        NOT NULL
);
COMMENT ON COLUMN application_step.status IS 'the application''s, after it';

-- What a decision table looked at last, and what it said: enough to ask another table.
CREATE TABLE assessment (
    application_id      uuid   NOT NULL PRIMARY KEY,
    country             text   NOT NULL,
    document_type       text   NOT NULL,
    currency            text   NOT NULL,
    monthly_income      bigint NOT NULL,
    amount_requested    bigint NOT NULL,
    months              bigint NOT NULL,
    loan_type           text   NOT NULL,
    credit_score        bigint,
    total_debt          bigint,
    round               bigint NOT NULL,
    first_position      bigint NOT NULL,
    position            bigint NOT NULL,
    decision            text   NOT NULL,
    reasons             text[] NOT NULL,
    table_name          text   NOT NULL,
    table_version       text   NOT NULL,
    digest              text   NOT NULL,
    row_id              text   NOT NULL,
    max_approved_amount bigint,
    decided_at          timestamptz
) WITH (fillfactor = 70);
COMMENT ON COLUMN assessment.decision IS 'empty until it is decided';
COMMENT ON COLUMN assessment.decided_at IS 'when it was decided last';
COMMENT ON COLUMN assessment.first_position IS 'of the application''s first event';
COMMENT ON COLUMN assessment.position IS 'position of its last event';

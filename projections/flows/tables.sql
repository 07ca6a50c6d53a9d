-- Amounts are minor units of the flow's currency.
CREATE TABLE flow (
    id                uuid        NOT NULL PRIMARY KEY,
    kind              text        NOT NULL,
    status            text        NOT NULL,
    place             text        NOT NULL,
    clearing          bigint      NOT NULL,
    account_id        uuid        NOT NULL,
    fund_id           uuid,
    fund_account_id   uuid,
    owner_id          uuid,
    person_id         uuid,
    currency          text        NOT NULL,
    amount            bigint      NOT NULL,
    bank_account_hint text        NOT NULL,
    reference         text        NOT NULL,
    step              text        NOT NULL,
    reason            text        NOT NULL,
    requested_at      timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    finished_at       timestamptz,
    version           bigint      NOT NULL,
    first_position    bigint      NOT NULL,
    position          bigint      NOT NULL
) WITH (fillfactor = 70);
COMMENT ON COLUMN flow.kind IS 'investment, deposit or withdrawal';
COMMENT ON COLUMN flow.place IS 'where in the ledger the money went last';
COMMENT ON COLUMN flow.clearing IS 'what the clearing account holds for it, zero at rest; below zero: the house is out of pocket';
COMMENT ON COLUMN flow.account_id IS 'the customer''s account';
COMMENT ON COLUMN flow.owner_id IS 'whose account it is';
COMMENT ON COLUMN flow.person_id IS 'whose key seals the account at the other bank';
COMMENT ON COLUMN flow.step IS 'where it failed or stands';
COMMENT ON COLUMN flow.finished_at IS 'when it was completed, failed or returned; while it needs an operator it is not';
COMMENT ON COLUMN flow.version IS 'of its own stream';
COMMENT ON COLUMN flow.first_position IS 'position of its first event: the order of lists';
COMMENT ON COLUMN flow.position IS 'position of the last event about it, of whatever stream';

-- What has happened, in order: by position, and part where one event is two steps.
CREATE TABLE flow_step (
    flow_id  uuid        NOT NULL,
    position bigint      NOT NULL,
    part     int         NOT NULL,
    name     text        NOT NULL,
    at       timestamptz NOT NULL,
    details  jsonb       NOT NULL
);

-- What a bank was asked to move, and what it said of it.
CREATE TABLE leg (
    id             uuid        NOT NULL PRIMARY KEY,
    flow_id        uuid        NOT NULL,
    flow_kind      text        NOT NULL,
    kind           text        NOT NULL,
    direction      text        NOT NULL,
    account        text        NOT NULL,
    person_id      uuid,
    currency       text        NOT NULL,
    amount         bigint      NOT NULL,
    status         text        NOT NULL,
    bank_reference text        NOT NULL,
    reason         text        NOT NULL,
    sequence       bigint      NOT NULL,
    instructed_at  timestamptz NOT NULL,
    sent_at        timestamptz,
    accepted_at    timestamptz,
    settled_at     timestamptz,
    ended_at       timestamptz,
    history        jsonb       NOT NULL,
    version        bigint      NOT NULL,
    first_position bigint      NOT NULL,
    position       bigint      NOT NULL
) WITH (fillfactor = 70);
COMMENT ON COLUMN leg.id IS 'the movement''s';
COMMENT ON COLUMN leg.direction IS 'in: collected from the account; out: paid to it';
COMMENT ON COLUMN leg.account IS 'one of ours, or sealed for person_id as in the event';
COMMENT ON COLUMN leg.sequence IS 'of the bank''s last report; 0: it has not said';
COMMENT ON COLUMN leg.ended_at IS 'when it was settled, failed, cancelled or returned last';
COMMENT ON COLUMN leg.history IS 'a list of {name, at, reason}, the oldest first';

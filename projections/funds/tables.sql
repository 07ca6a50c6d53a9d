-- Amounts are minor units of the fund's currency.
CREATE TABLE fund (
    id                 uuid        NOT NULL PRIMARY KEY,
    name               text        NOT NULL,
    currency           text        NOT NULL,
    account_id         uuid        NOT NULL,
    manager_id         uuid,
    status             text        NOT NULL,
    minimum_investment bigint      NOT NULL,
    maximum_investment bigint      NOT NULL,
    seats              bigint      NOT NULL,
    reserved           bigint      NOT NULL,
    taken              bigint      NOT NULL,
    reserved_amount    bigint      NOT NULL,
    taken_amount       bigint      NOT NULL,
    opens_at           timestamptz,
    closes_at          timestamptz,
    opened_at          timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    version            bigint      NOT NULL,
    first_position     bigint      NOT NULL,
    position           bigint      NOT NULL
) WITH (fillfactor = 70);
COMMENT ON COLUMN fund.account_id IS 'where its money goes';
COMMENT ON COLUMN fund.maximum_investment IS '0: there is none';
COMMENT ON COLUMN fund.reserved IS 'seats of investments that are on their way';
COMMENT ON COLUMN fund.taken IS 'seats of investments that have arrived';
COMMENT ON COLUMN fund.opened_at IS 'when fund.opened was recorded; it takes investments from opens_at';
COMMENT ON COLUMN fund.first_position IS 'position of fund.opened: the order of lists';
COMMENT ON COLUMN fund.position IS 'position of its last event';

-- One row an investment that was given a seat.
CREATE TABLE allocation (
    investment_id  uuid   NOT NULL PRIMARY KEY,
    fund_id        uuid   NOT NULL,
    account_id     uuid,
    owner_id       uuid,
    amount         bigint NOT NULL,
    status         text   NOT NULL,
    reserved_at    timestamptz,
    taken_at       timestamptz,
    released_at    timestamptz,
    first_position bigint NOT NULL,
    position       bigint NOT NULL
) WITH (fillfactor = 90);
COMMENT ON COLUMN allocation.account_id IS 'the investor''s account';
COMMENT ON COLUMN allocation.owner_id IS 'whose account it is';
COMMENT ON COLUMN allocation.status IS 'reserved, taken or released';
COMMENT ON COLUMN allocation.first_position IS 'position of investment.requested: the order of lists';
COMMENT ON COLUMN allocation.position IS 'position of the last event about it';

-- Amounts are minor units of the account's currency.
CREATE TABLE account (
    id             uuid        NOT NULL PRIMARY KEY,
    name           text        NOT NULL,
    type           text        NOT NULL,
    currency       text        NOT NULL,
    owner_id       uuid,
    status         text        NOT NULL,
    balance        bigint      NOT NULL,
    held           bigint      NOT NULL,
    credit_limit   bigint      NOT NULL,
    debits         numeric     NOT NULL,
    credits        numeric     NOT NULL,
    version        bigint      NOT NULL,
    opened_at      timestamptz NOT NULL,
    first_position bigint      NOT NULL,
    position       bigint      NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE account IS 'half-full pages: a new balance replaces the old one in place, without touching an index';
COMMENT ON COLUMN account.debits IS 'sum of all debits ever; numeric, since a sum may leave the range of one balance';
COMMENT ON COLUMN account.credits IS 'sum of all credits ever';
COMMENT ON COLUMN account.first_position IS 'position of account.opened: the order of lists';
COMMENT ON COLUMN account.position IS 'position of the last event that changed this row';

-- What came between two marks, so that totals of the past need not add up the log from its start.
CREATE TABLE mark (
    position bigint  NOT NULL,
    currency text    NOT NULL,
    accounts bigint  NOT NULL,
    debits   numeric NOT NULL,
    credits  numeric NOT NULL,
    PRIMARY KEY (position, currency)
) WITH (fillfactor = 50);
COMMENT ON TABLE mark IS 'one row a currency and 20,000 positions: what these came to, whole once the read model is there';
COMMENT ON COLUMN mark.position IS 'last of the 20,000 positions that the row is about';
COMMENT ON COLUMN mark.accounts IS 'accounts opened meanwhile';

-- Amounts are minor units of the statement's currency.
CREATE TABLE reconciliation (
    id                  uuid        NOT NULL PRIMARY KEY,
    account             text        NOT NULL,
    currency            text        NOT NULL,
    opened_on           date        NOT NULL,
    closed_on           date        NOT NULL,
    statement_reference text        NOT NULL,
    number              text        NOT NULL,
    digest              text        NOT NULL,
    source              text        NOT NULL,
    opening             bigint      NOT NULL,
    closing             bigint      NOT NULL,
    lines               bigint      NOT NULL,
    movements           bigint      NOT NULL,
    matched             bigint      NOT NULL,
    missing             bigint      NOT NULL,
    unexpected          bigint      NOT NULL,
    mismatched          bigint      NOT NULL,
    is_even             boolean     NOT NULL,
    found               jsonb       NOT NULL,
    made_at             timestamptz NOT NULL,
    position            bigint      NOT NULL
);
COMMENT ON COLUMN reconciliation.account IS 'at the bank, as its statement has it';
COMMENT ON COLUMN reconciliation.digest IS 'SHA-256 of the statement''s file';
COMMENT ON COLUMN reconciliation.missing IS 'movements that are not in the statement; most are only not settled yet';
COMMENT ON COLUMN reconciliation.is_even IS 'nothing is left for a person to look at';
COMMENT ON COLUMN reconciliation.found IS 'the lists as in reconciliation.made: the first of each';

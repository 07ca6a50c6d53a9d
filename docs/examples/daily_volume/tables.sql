-- A credit does not say in which currency it is: its account does.
CREATE TABLE account (
    id       uuid NOT NULL PRIMARY KEY,
    currency text NOT NULL
);

CREATE TABLE volume (
    day       date    NOT NULL,
    currency  text    NOT NULL,
    transfers bigint  NOT NULL,
    amount    numeric NOT NULL,
    PRIMARY KEY (day, currency)
);
COMMENT ON COLUMN volume.day IS 'in UTC, when the credit was recorded';
COMMENT ON COLUMN volume.amount IS 'minor units of the currency: cents for EUR';

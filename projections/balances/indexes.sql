CREATE UNIQUE INDEX account_first_position ON account (first_position);
CREATE INDEX account_owner ON account (owner_id, first_position) WHERE owner_id IS NOT NULL;
CREATE INDEX account_type ON account (type, first_position);
CREATE INDEX account_status ON account (status, first_position);
CREATE INDEX account_currency ON account (currency, first_position);

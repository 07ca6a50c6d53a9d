-- Times rise with positions, so that this is the order by time as well.
CREATE UNIQUE INDEX reconciliation_position ON reconciliation (position);
CREATE INDEX reconciliation_account ON reconciliation (account, position);
CREATE INDEX reconciliation_open ON reconciliation (position) WHERE NOT is_even;

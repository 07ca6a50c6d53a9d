ALTER TABLE entry ADD PRIMARY KEY (account_id, position);
-- Carries what a balance by value date sums up, so that no row has to be visited.
CREATE INDEX entry_effective ON entry (account_id, effective_at) INCLUDE (direction, amount);

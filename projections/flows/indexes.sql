-- Times rise with positions, so that these are the orders by time as well.
CREATE UNIQUE INDEX flow_first_position ON flow (first_position);
CREATE INDEX flow_kind ON flow (kind, first_position);
CREATE INDEX flow_owner ON flow (owner_id, kind, first_position);
CREATE INDEX flow_account ON flow (account_id, kind, first_position);
CREATE INDEX flow_fund ON flow (fund_id, first_position) WHERE fund_id IS NOT NULL;
-- Nearly all flows are completed: to find those, the order of lists is index enough.
CREATE INDEX flow_status ON flow (status, kind, first_position) WHERE status <> 'completed';
CREATE INDEX flow_open ON flow (kind, status, currency) WHERE finished_at IS NULL;
CREATE INDEX flow_clearing ON flow (currency) WHERE clearing <> 0;
CREATE UNIQUE INDEX flow_step_place ON flow_step (flow_id, position, part);
CREATE INDEX leg_flow ON leg (flow_id, first_position);
CREATE INDEX leg_instructed ON leg (currency, instructed_at);

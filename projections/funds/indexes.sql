-- Times rise with positions, so that these are the orders by time as well.
CREATE UNIQUE INDEX fund_first_position ON fund (first_position);
CREATE UNIQUE INDEX allocation_first_position ON allocation (fund_id, first_position);
CREATE INDEX allocation_status ON allocation (fund_id, status, first_position);

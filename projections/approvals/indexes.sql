-- Times rise with positions, so that this is the order by time of asking as well.
CREATE UNIQUE INDEX approval_first_position ON approval (first_position);
CREATE INDEX approval_status ON approval (status, first_position);
CREATE INDEX approval_maker ON approval (maker_id, first_position);

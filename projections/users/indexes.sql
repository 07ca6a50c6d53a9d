-- Times rise with positions, so that this is the order by time of registration as well.
CREATE UNIQUE INDEX person_first_position ON person (first_position);
CREATE INDEX person_role ON person (role, first_position);
-- Nearly all users are active: to find those, the order of lists is index enough.
CREATE INDEX person_status ON person (status, first_position) WHERE status <> 'active';

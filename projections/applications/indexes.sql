-- Times rise with positions, so that these are the orders by time as well.
CREATE UNIQUE INDEX application_first_position ON application (first_position);
CREATE INDEX application_country ON application (country, first_position);
CREATE INDEX application_owner ON application (owner_id, first_position) WHERE owner_id IS NOT NULL;
-- Nearly all applications are approved or rejected: to find those, the order of lists is index enough.
CREATE INDEX application_status ON application (status, first_position)
    WHERE status NOT IN ('approved', 'rejected');
CREATE INDEX application_review ON application (review_position) WHERE review_position IS NOT NULL;
CREATE INDEX application_review_country ON application (country, review_position)
    WHERE review_position IS NOT NULL;
CREATE UNIQUE INDEX application_step_place ON application_step (application_id, number);
CREATE UNIQUE INDEX assessment_first_position ON assessment (first_position);
CREATE INDEX assessment_country ON assessment (country, first_position);

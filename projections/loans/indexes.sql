-- Times rise with positions, so that these are the orders by time as well.
CREATE UNIQUE INDEX loan_first_position ON loan (first_position);
CREATE INDEX loan_owner ON loan (owner_id, first_position) WHERE owner_id IS NOT NULL;
CREATE INDEX loan_application ON loan (application_id);
CREATE INDEX loan_status ON loan (status, first_position);
CREATE INDEX loan_arrears ON loan (first_position) WHERE arrears_since IS NOT NULL;
CREATE UNIQUE INDEX instalment_place ON instalment (loan_id, number);
CREATE INDEX repayment_loan ON repayment (loan_id, position);

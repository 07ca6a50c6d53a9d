DROP TABLE deadlines;
DROP TABLE idempotency_keys;
DROP TABLE snapshots;

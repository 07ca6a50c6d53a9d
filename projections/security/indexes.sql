ALTER TABLE notice ADD PRIMARY KEY (position);
-- A search by time needs no index of its own: times rise with positions, so a time is a position.
CREATE INDEX notice_kind ON notice (kind, position);
CREATE INDEX notice_actor ON notice (actor, position);
CREATE INDEX notice_reason ON notice (reason, position);

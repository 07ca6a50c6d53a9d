ALTER TABLE event ADD PRIMARY KEY (position);
-- A search by time needs no index of its own: times rise with positions, so a time is a position.
CREATE INDEX event_stream ON event (stream_id, position);
CREATE INDEX event_account ON event (account_id, position);
CREATE INDEX event_other_account ON event (other_account_id, position)
    WHERE other_account_id IS NOT NULL;
CREATE INDEX event_actor ON event (actor, position);
CREATE INDEX event_topic ON event (topic, position);
CREATE INDEX event_correlation ON event (correlation_id, position) WHERE correlation_id <> '';

-- A search by time needs no index of its own: times rise with positions, so a time is a position.
CREATE UNIQUE INDEX transfer_first_position ON transfer (first_position);
CREATE INDEX transfer_source ON transfer (source_id, first_position);
CREATE INDEX transfer_destination ON transfer (destination_id, first_position);
-- Nearly all transfers are posted: to find those, the order of lists is index enough.
CREATE INDEX transfer_open_status ON transfer (status, first_position) WHERE status <> 'posted';
CREATE INDEX transfer_open_source ON transfer (source_id, first_position) WHERE status <> 'posted';
CREATE INDEX transfer_open_destination ON transfer (destination_id, first_position)
    WHERE status <> 'posted';
CREATE INDEX transfer_reference ON transfer (reference, first_position) WHERE reference <> '';

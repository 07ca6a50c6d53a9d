-- What a message was answered is answered again when it is repeated: also what was wrong with it.
ALTER TABLE webhooks_received ADD COLUMN details jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN webhooks_received.details IS 'of a refusal';

-- What is known of people beside the log: keys that open what is sealed in it, how they prove who they
-- are, and what they may no longer use. Nothing here can be rebuilt from the log.

-- One key a person. Without the row, what the log holds of that person can be read by nobody.
CREATE TABLE person_keys (
    person_id     uuid        NOT NULL PRIMARY KEY,
    master_key_id text        NOT NULL,
    wrapped       bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX person_keys_master ON person_keys (master_key_id);
COMMENT ON COLUMN person_keys.wrapped IS 'AES-256-GCM under the master key: nonce, ciphertext, tag';

-- Keys of the service itself, such as the one that e-mail addresses are looked up with.
CREATE TABLE service_keys (
    name          text        NOT NULL PRIMARY KEY,
    master_key_id text        NOT NULL,
    wrapped       bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Who has an e-mail address, by its keyed digest.
CREATE TABLE user_emails (
    email_index bytea NOT NULL PRIMARY KEY,
    user_id     uuid  NOT NULL UNIQUE
);

CREATE TABLE credentials (
    user_id       uuid        NOT NULL PRIMARY KEY,
    password_hash text        NOT NULL,
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row a login. Its refresh token is good once: using it puts the next one in its place, and using an
-- older one again ends the session.
CREATE TABLE sessions (
    id         uuid        NOT NULL PRIMARY KEY,
    user_id    uuid        NOT NULL,
    refresh_id uuid        NOT NULL,
    created_at timestamptz NOT NULL,
    used_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);
COMMENT ON COLUMN sessions.refresh_id IS 'the `jti` of the refresh token that is good now';

CREATE TABLE api_keys (
    id         uuid        NOT NULL PRIMARY KEY,
    digest     bytea       NOT NULL UNIQUE,
    hint       text        NOT NULL,
    user_id    uuid        NOT NULL,
    name       text        NOT NULL,
    scopes     text[]      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_keys_user ON api_keys (user_id);
COMMENT ON COLUMN api_keys.digest IS 'SHA-256 of the key, which is random and long enough for that';

-- Sessions and single tokens that are refused although their time is not over. Small: a row goes when
-- the last token that it is about has expired.
CREATE TABLE revocations (
    id    uuid        NOT NULL PRIMARY KEY,
    until timestamptz NOT NULL
);
CREATE INDEX revocations_until ON revocations (until);
COMMENT ON COLUMN revocations.id IS 'the `sid` or the `jti` of tokens';

-- Those who may not come in, and what role the others have, for the servers' memory: API keys are theirs.
CREATE TABLE user_access (
    user_id uuid    NOT NULL PRIMARY KEY,
    role    text    NOT NULL,
    status  text    NOT NULL
);
CREATE INDEX user_access_inactive ON user_access (user_id) WHERE status <> 'active';
COMMENT ON TABLE user_access IS 'role and status as the log has them, written with the events';

-- Mail that is to go out, sealed for its person until then.
CREATE TABLE outgoing_mail (
    id         uuid        NOT NULL PRIMARY KEY,
    person_id  uuid        NOT NULL,
    kind       text        NOT NULL,
    sealed     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tries      integer     NOT NULL DEFAULT 0,
    due_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at    timestamptz
);
CREATE INDEX outgoing_mail_due ON outgoing_mail (due_at) WHERE sent_at IS NULL;
CREATE INDEX outgoing_mail_person ON outgoing_mail (person_id);
COMMENT ON COLUMN outgoing_mail.due_at IS 'when it is tried, for the first time or again';

GRANT SELECT, INSERT, UPDATE, DELETE ON person_keys, service_keys, user_emails, credentials, sessions,
    api_keys, revocations, user_access, outgoing_mail TO daybook;

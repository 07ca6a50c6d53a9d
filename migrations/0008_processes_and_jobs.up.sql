-- What goes on for days: processes with what they wait for, jobs for the outside world, and webhooks.

-- How far the follower of each process is in the log. It moves with the events that it leads to.
CREATE TABLE process_checkpoints (
    name       text        NOT NULL PRIMARY KEY,
    position   bigint      NOT NULL CHECK (position >= 0),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row a flow that a process drives.
CREATE TABLE processes (
    name       text        NOT NULL,
    key        uuid        NOT NULL,
    status     text        NOT NULL
        CHECK (status IN ('started', 'waiting', 'completed', 'compensating', 'compensated', 'stuck')),
    step       text        NOT NULL,
    error      text,
    stuck_at   bigint,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, key),
    CHECK (stuck_at IS NULL OR status = 'stuck')
);
CREATE INDEX processes_status ON processes (status, updated_at);
CREATE INDEX processes_stuck ON processes (name) WHERE stuck_at IS NOT NULL;
COMMENT ON COLUMN processes.key IS 'the stream of the flow, an investment for example';
COMMENT ON COLUMN processes.step IS 'the stored name of the event, or the deadline, that it reacted to last';
COMMENT ON COLUMN processes.stuck_at IS
    'the event that could not be reacted to: it and what came after it wait in the inbox';

-- What each process did, event by event.
CREATE TABLE process_history (
    name     text        NOT NULL,
    key      uuid        NOT NULL,
    number   bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    position bigint      NOT NULL,
    step     text        NOT NULL,
    did      text[]      NOT NULL,
    error    text,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, key, number)
);
COMMENT ON COLUMN process_history.position IS 'of the event that was reacted to; 0 for deadlines and operators';
COMMENT ON COLUMN process_history.did IS 'the commands, jobs and deadlines that followed';

-- Events that a stuck process has not reacted to, in order.
CREATE TABLE process_inbox (
    name     text   NOT NULL,
    key      uuid   NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (name, key, position)
);

CREATE TABLE process_deadlines (
    name     text        NOT NULL,
    key      uuid        NOT NULL,
    deadline text        NOT NULL,
    due_at   timestamptz NOT NULL,
    PRIMARY KEY (name, key, deadline)
);
CREATE INDEX process_deadlines_due ON process_deadlines (due_at);

-- Work for the outside world, written with the event that asks for it. Queues only carry wake-ups.
CREATE TABLE jobs (
    id             uuid        NOT NULL PRIMARY KEY,
    kind           text        NOT NULL,
    queue          text        NOT NULL,
    priority       smallint    NOT NULL DEFAULT 5 CHECK (priority BETWEEN 0 AND 9),
    payload        jsonb       NOT NULL,
    status         text        NOT NULL DEFAULT 'waiting'
        CHECK (status IN ('waiting', 'running', 'done', 'dead', 'cancelled')),
    due_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts       int         NOT NULL DEFAULT 0,
    failures       int         NOT NULL DEFAULT 0,
    lost           int         NOT NULL DEFAULT 0,
    max_attempts   int         CHECK (max_attempts > 0),
    time_limit_s   int         CHECK (time_limit_s > 0),
    unique_key     text,
    lease_until    timestamptz,
    worker         text,
    cancel_asked   boolean     NOT NULL DEFAULT false,
    category       text,
    error          text,
    trace          text,
    result         jsonb,
    correlation_id text        NOT NULL DEFAULT '',
    causation_id   text        NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at     timestamptz,
    finished_at    timestamptz,
    CHECK ((status = 'running') = (lease_until IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX jobs_waiting ON jobs (queue, priority, due_at) WHERE status = 'waiting';
CREATE INDEX jobs_due ON jobs (due_at) WHERE status = 'waiting';
CREATE INDEX jobs_running ON jobs (lease_until) WHERE status = 'running';
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_dead ON jobs (created_at, id) WHERE status = 'dead';
CREATE INDEX jobs_listed ON jobs (created_at, id);
COMMENT ON COLUMN jobs.priority IS '0 comes first';
COMMENT ON COLUMN jobs.lease_until IS 'the worker that runs it is taken to be gone after this';
COMMENT ON COLUMN jobs.attempts IS 'how often it was taken, polls too: with the worker it says whose it is';
COMMENT ON COLUMN jobs.lost IS 'how many of its workers ended before it did';
COMMENT ON COLUMN jobs.max_attempts IS 'null: as its kind and the category of the error say';
COMMENT ON COLUMN jobs.cancel_asked IS 'there will be no further attempt';
COMMENT ON COLUMN jobs.category IS 'of the last error: what decides whether it is tried again';

CREATE TABLE job_attempts (
    job_id     uuid        NOT NULL REFERENCES jobs ON DELETE CASCADE,
    number     int         NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome    text        NOT NULL,
    error      text,
    PRIMARY KEY (job_id, number)
);

-- Jobs with a key are put in once in a window of time.
CREATE TABLE job_keys (
    key    text        NOT NULL PRIMARY KEY,
    job_id uuid        NOT NULL,
    until  timestamptz NOT NULL
);
CREATE INDEX job_keys_until ON job_keys (until);

-- Where others want to hear of events. Secrets are sealed with a key of the service.
CREATE TABLE webhook_endpoints (
    id                  uuid        NOT NULL PRIMARY KEY,
    owner_id            uuid        NOT NULL,
    url                 text        NOT NULL,
    types               text[]      NOT NULL,
    description         text        NOT NULL DEFAULT '',
    status              text        NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'disabled')),
    disabled_because    text,
    secret              text        NOT NULL,
    old_secret          text,
    old_secret_until    timestamptz,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((old_secret IS NULL) = (old_secret_until IS NULL))
);
CREATE INDEX webhook_endpoints_owner ON webhook_endpoints (owner_id);
COMMENT ON COLUMN webhook_endpoints.types IS 'types of events, `investment.*` for all of a kind; empty: all';
COMMENT ON COLUMN webhook_endpoints.old_secret IS 'signs beside the new one until it ends';

CREATE TABLE webhook_deliveries (
    id            uuid        NOT NULL PRIMARY KEY,
    number        bigint      NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,
    endpoint_id   uuid        NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    message_id    text        NOT NULL,
    type          text        NOT NULL,
    body          text        NOT NULL,
    status        text        NOT NULL DEFAULT 'waiting'
        CHECK (status IN ('waiting', 'delivered', 'failed')),
    attempts      int         NOT NULL DEFAULT 0,
    answer_status int,
    error         text,
    replays       uuid,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried_at      timestamptz
);
CREATE INDEX webhook_deliveries_endpoint ON webhook_deliveries (endpoint_id, number);
CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries (endpoint_id, message_id)
    WHERE replays IS NULL;
COMMENT ON COLUMN webhook_deliveries.message_id IS 'the `webhook-id` header: the same for each attempt and replay';
COMMENT ON COLUMN webhook_deliveries.replays IS 'the delivery that this one repeats';

-- What others have told us, once each.
CREATE TABLE webhooks_received (
    provider    text        NOT NULL,
    message_id  text        NOT NULL,
    type        text        NOT NULL,
    subject     text        NOT NULL,
    outcome     text        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (provider, message_id)
);
CREATE INDEX webhooks_received_at ON webhooks_received (received_at);

-- How the services outside did when they were called last, for all processes to tell.
CREATE TABLE service_health (
    service    text        NOT NULL PRIMARY KEY,
    state      text        NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    failures   int         NOT NULL CHECK (failures >= 0),
    changed_at timestamptz NOT NULL,
    error      text
);
COMMENT ON COLUMN service_health.state IS 'of its circuit breaker: while open it is not called';

GRANT SELECT, INSERT, UPDATE, DELETE ON process_checkpoints, processes, process_history, process_inbox,
    process_deadlines, jobs, job_attempts, job_keys, webhook_endpoints, webhook_deliveries,
    webhooks_received, service_health TO daybook;

-- With what a rebuild may have left beside them.
DROP SCHEMA IF EXISTS funds, funds_shadow, funds_previous, funds_outdated, flows, flows_shadow,
    flows_previous, flows_outdated, reconciliations, reconciliations_shadow, reconciliations_previous,
    reconciliations_outdated CASCADE;
DROP TABLE service_health, webhooks_received, webhook_deliveries, webhook_endpoints, job_keys, job_attempts, jobs,
    process_deadlines, process_inbox, process_history, processes, process_checkpoints;

-- With what a rebuild may have left beside them.
DROP SCHEMA IF EXISTS users, users_shadow, users_previous, users_outdated, approvals, approvals_shadow,
    approvals_previous, approvals_outdated, security, security_shadow, security_previous,
    security_outdated CASCADE;
DROP TABLE outgoing_mail, user_access, revocations, api_keys, sessions, credentials, user_emails,
    service_keys, person_keys;

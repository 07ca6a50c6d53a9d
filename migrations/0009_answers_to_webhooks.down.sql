-- With what a rebuild may have left beside them.
DROP SCHEMA IF EXISTS applications, applications_shadow, applications_previous, applications_outdated,
    loans, loans_shadow, loans_previous, loans_outdated CASCADE;
ALTER TABLE webhooks_received DROP COLUMN details;

DROP TABLE outgoing_mail, user_access, revocations, api_keys, sessions, credentials, user_emails,
    service_keys, person_keys;

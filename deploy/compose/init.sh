#!/bin/sh
# Run by Postgres' image once, on an empty volume: makes the role that the application runs as, with a
# password. What it may do is granted by the migrations.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set password="$DAYBOOK_DB_PASSWORD" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE daybook LOGIN PASSWORD :'password';
SQL

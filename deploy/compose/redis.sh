#!/bin/sh
# Starts Valkey with its password in a file of this folder: what is on a command line can be read by
# every process of the machine.
set -eu
umask 077
printf 'requirepass %s\n' "$REDIS_PASSWORD" > valkey.conf
exec valkey-server "$PWD/valkey.conf" "$@"

#!/bin/sh
# Make the database the first time, then serve.
set -eu
data=/var/lib/postgresql/18/docker
if [ ! -e "$data/PG_VERSION" ]; then
    mkdir -p "$data"
    printf %s "$POSTGRES_PASSWORD" > /tmp/password
    initdb -D "$data" -U "$POSTGRES_USER" --pwfile=/tmp/password -A scram-sha-256 -E UTF8 \
        --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C
    rm /tmp/password
    echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
    echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D "$data" postgres
fi
exec postgres -D "$data" -c "listen_addresses=*" -c unix_socket_directories=/tmp

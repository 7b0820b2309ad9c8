# Sourced: a private PostgreSQL cluster (Debian's package; defaults, synchronous_commit=on) on loopback.
# shellcheck shell=bash
PG_BIN=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1 || true)
PG_PORT=${PG_PORT:-55432}
PG_DATA=$WORK/postgres

pg_as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi; }

pg_up() {
    [ -n "$PG_BIN" ] || return 1
    rm -rf "$PG_DATA" && mkdir -p "$PG_DATA"
    if [ "$(id -u)" = 0 ]; then chown postgres: "$PG_DATA"; fi
    (cd / && pg_as "$PG_BIN/initdb" -D "$PG_DATA/data" -A trust -U postgres --no-sync) >"$WORK/initdb.log"
    cat >>"$PG_DATA/data/postgresql.conf" <<Q
listen_addresses = '127.0.0.1'
port = $PG_PORT
unix_socket_directories = '$PG_DATA'
max_connections = 100
max_wal_size = 4GB
Q
    (cd / && pg_as "$PG_BIN/pg_ctl" -D "$PG_DATA/data" -l "$PG_DATA/log" -w start) >/dev/null
    "$PG_BIN/psql" -qAt -h 127.0.0.1 -p "$PG_PORT" -U postgres <<'Q'
CREATE TABLE record (id bigint PRIMARY KEY, blob bytea NOT NULL, version int NOT NULL DEFAULT 1, at timestamptz NOT NULL DEFAULT now());
INSERT INTO record (id, blob) SELECT g, decode(repeat(md5(g::text), 19), 'hex') FROM generate_series(1, 10000) g;
VACUUM ANALYZE record;
CHECKPOINT;
Q
    cat >"$WORK/upsert.sql" <<'Q'
\set id random(1, 10000)
INSERT INTO record (id, blob) VALUES (:id, decode(repeat(md5(:id::text), 19), 'hex'))
    ON CONFLICT (id) DO UPDATE SET blob = excluded.blob, version = record.version + 1, at = now();
Q
}

pg_down() { (cd / && pg_as "$PG_BIN/pg_ctl" -D "$PG_DATA/data" -m fast -w stop) >/dev/null; }

# pg_upserts CLIENTS: upserts a second.
pg_upserts() {
    "$PG_BIN/pgbench" -n -M prepared -h 127.0.0.1 -p "$PG_PORT" -U postgres -f "$WORK/upsert.sql" \
        -c "$1" -j 2 -T "$SECS" postgres 2>/dev/null | awk '/^tps/ { print $3 }'
}

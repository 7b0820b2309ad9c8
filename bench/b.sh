#!/usr/bin/env bash
# (b) durable stores over warm mTLS, 32 clients, against group commit into SQLite, and against pgbench. (b1) has two
# peers: one row for each store, and all the rows that the product writes for one.
. "$(dirname "$0")/lib.sh"
. "$BENCH/postgres.sh"
WORK=$WORK/b
rm -rf "$WORK" && mkdir -p "$WORK"
. "$BENCH/product.sh"
product_up 256 >&2
postgres=
PG_DATA=$WORK/postgres
if pg_up >&2; then postgres=1; else note "PostgreSQL is not installed: (b2) not measured"; fi

for _ in $(seq "$ROUNDS"); do
    "$TOOLS/seed" --database "$WORK/server/lapwing.db" --forget 1
    ours=$("$TOOLS/backup" --connections warm --clients 32 --seconds "$SECS" --port "$PORT" --devices "$WORK/devices" --server-pid "$SERVER")
    sqlite=$("$TOOLS/group_commit" --dir "$WORK/sqlite" --clients 32 --seconds "$SECS")
    all=$("$TOOLS/group_commit" --dir "$WORK/sqlite" --clients 32 --seconds "$SECS" --writes all)
    note "ours $ours"
    note "peer $sqlite"
    note "peer, all rows: $all"
    field per_s <<<"$ours" >>"$WORK/ours"
    field per_s <<<"$sqlite" >>"$WORK/sqlite.rates"
    field per_s <<<"$all" >>"$WORK/all.rates"
    if [ -n "$postgres" ]; then pg_upserts 32 >>"$WORK/postgres.rates"; fi
done
pair b1 "store over warm mTLS: product against SQLite, one row each" "/s" ">= 0.4" "$WORK/ours" "$WORK/sqlite.rates"
pair b1 "store over warm mTLS: product against SQLite, the same rows" "/s" ">= 0.4" "$WORK/ours" "$WORK/all.rates"
if [ -n "$postgres" ]; then
    pg_down
    pair b2 "store over warm mTLS: product against pgbench upserts" "/s" ">= 0.8" "$WORK/ours" "$WORK/postgres.rates"
fi

#!/usr/bin/env bash
# (a) durable stores over new mTLS connections against bare axum + rustls over new mTLS connections.
. "$(dirname "$0")/lib.sh"
WORK=$WORK/a
rm -rf "$WORK" && mkdir -p "$WORK/bare"
. "$BENCH/product.sh"
product_up 32 >&2
mkfifo "$WORK/hold"
"$TOOLS/bare" --dir "$WORK/bare" <"$WORK/hold" >"$WORK/bare/port" &
BARE=$!
STARTED+=("$BARE")
exec 9>"$WORK/hold"
until_true 10 test -s "$WORK/bare/port"

load=("$TOOLS/backup" --connections new --clients 32 --seconds "$SECS")
for _ in $(seq "$ROUNDS"); do
    ours=$("${load[@]}" --port "$PORT" --devices "$WORK/devices" --server-pid "$SERVER")
    peer=$("${load[@]}" --port "$(cat "$WORK/bare/port")" --devices "$WORK/bare" --server-pid "$BARE")
    note "ours $ours"
    note "peer $peer"
    field per_s <<<"$ours" >>"$WORK/ours"
    field per_s <<<"$peer" >>"$WORK/peer"
done
pair a "store over new mTLS connections: product against bare axum + rustls" "/s" ">= 0.8" "$WORK/ours" "$WORK/peer"

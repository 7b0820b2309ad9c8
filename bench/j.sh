#!/usr/bin/env bash
# (j) reading a password over warm TLS, each read with its durable audit record, at 1, 8 and 32 clients; at 32 against one
# writer that commits a row of the same size in groups.
. "$(dirname "$0")/lib.sh"
WORK=$WORK/j
rm -rf "$WORK" && mkdir -p "$WORK"
. "$BENCH/product.sh"
product_up 32 >&2
token_of_session >"$HOME/bearer"
device=$(jq -r .device "$WORK/states/0/identity.json")

for clients in 1 8 32; do
    for _ in $(seq "$ROUNDS"); do
        seen=$("$TOOLS/api" --operation read --clients "$clients" --seconds "$SECS" --port "$PORT" --server-pid "$SERVER" \
            --devices "$WORK/devices" --token "$HOME/bearer" --device "$device")
        for each in p50_us p99_us per_s; do field "$each" <<<"$seen" >>"$WORK/$clients.$each"; done
        [ "$clients" = 32 ] || continue
        "$TOOLS/group_commit" --dir "$WORK/sqlite" --clients 32 --seconds "$SECS" | field per_s >>"$WORK/writer"
    done
    for each in p50_us p99_us; do figure j "password read over TLS, $clients clients: ${each%_us}" us "$WORK/$clients.$each"; done
done
pair j "password reads at 32 clients against one writer of a row each" "/s" ">= 0.19" "$WORK/32.per_s" "$WORK/writer"

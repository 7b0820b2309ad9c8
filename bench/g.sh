#!/usr/bin/env bash
# (g) a check-in with nothing to do costs no durable write: bytes that the server wrote to its database meanwhile.
# "Last seen" is written in batches, one a minute: the load lasts long enough that one falls into it (SECS_G).
. "$(dirname "$0")/lib.sh"
WORK=$WORK/g
rm -rf "$WORK" && mkdir -p "$WORK"
. "$BENCH/product.sh"
# A line a request in the log, which is a file here, would be counted too: it was all that was found at first.
LOG=warn product_up 8 >&2
SECS=${SECS_G:-65}

run() { "$TOOLS/api" --operation "$1" --clients 8 --seconds "$SECS" --port "$PORT" --server-pid "$SERVER" --devices "$WORK/devices"; }
written() { sed -n 's/^write_bytes: //p' "/proc/$SERVER/io"; }
for operation in check-in report; do
    run "$operation" >/dev/null # the first tells the server something new
    sync; before=$(written)
    seen=$(run "$operation")
    sync; bytes=$(($(written) - before))
    count=$(awk -v rate="$(field per_s <<<"$seen")" -v s="$SECS" 'BEGIN { printf "%d", rate * s }')
    note "$seen; $bytes bytes written to disk during $count"
    awk -v what="$operation with nothing to do: bytes written each" -v bytes="$bytes" -v count="$count" 'BEGIN {
        each = bytes / count
        printf "{\"pair\":\"g\",\"what\":\"%s\",\"unit\":\"B\",\"ours\":%.2f,\"peer\":0,\"ratio\":0,\"aim\":\"< 100\",\"met\":%s}\n",
            what, each, each < 100 ? "true" : "false" }'
done

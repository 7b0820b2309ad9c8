#!/usr/bin/env bash
# `make bench`: every pair of docs/performance.md, each measured in one run beside its peer; a table at the end.
# `bench/run.sh c d` measures only these. ROUNDS and SECS set how long.
. "$(dirname "$0")/lib.sh"
cd "$ROOT"
pairs=("$@")
[ $# -gt 0 ] || pairs=(a b c d e f g h i j k)

cargo build --release --locked -p lapwing-server -p lapwing-agent -p lapwing-cli --bins --example coverage
features=()
[ ! -e /usr/include/gssapi/gssapi.h ] || features=(--features ad)
CARGO_TARGET_DIR=$TARGET/bench cargo build --release --locked --manifest-path bench/Cargo.toml "${features[@]}"

result=$WORK/result.jsonl
: >"$result"
conditions
for each in "${pairs[@]}"; do
    note "pair $each"
    if ! bash "bench/$each.sh" >"$WORK/$each.jsonl" 2>"$WORK/$each.log"; then
        note "pair $each could not be measured: $(tail -n 1 "$WORK/$each.log")"
    fi
    cat "$WORK/$each.jsonl" | tee -a "$result"
done
conditions

echo
printf '%-4s %-58s %12s %12s %7s %9s %s\n' pair what ours peer ratio aim met
grep '"pair"' "$result" | sed -E 's/[{}"]//g' | awk -F, '{
    for (i = 1; i <= NF; i++) { at = index($i, ":"); row[substr($i, 1, at - 1)] = substr($i, at + 1) }
    printf "%-4s %-58s %12s %12s %7s %9s %s\n", row["pair"], row["what"] " (" row["unit"] ")", row["ours"], row["peer"], row["ratio"], row["aim"], row["met"] }'

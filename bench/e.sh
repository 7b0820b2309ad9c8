#!/usr/bin/env bash
# (e) agent: a cycle that is not due under 29 ms of CPU and 13 MiB; one that rotates under 63 ms beside its password
# hashes, whose cost is measured apart. There are two, by two implementations (docs/design/rotation.md 8): the agent's own
# makes the verifier, the system's libcrypt checks it. `hash` does the first; a check of a password is the start of the
# program and the second.
. "$(dirname "$0")/lib.sh"
WORK=$WORK/e
rm -rf "$WORK" && mkdir -p "$WORK"
. "$ROOT/ci/fleet.sh"
tree_up "$WORK/tree"
server_up >&2
policy_up "$ROOT/ci/data/builtin.xml" >&2
agent_join --prefix "$WORK/tree" >&2
agent=("$BIN/lapwing-agent")
state=(--state "$WORK/state")

cost() { "$TOOLS/cost" --runs "${RUNS:-11}" -- "$@"; }
bound() { # bound WHAT UNIT VALUE LIMIT
    awk -v what="$1" -v unit="$2" -v value="$3" -v limit="$4" 'BEGIN {
        printf "{\"pair\":\"e\",\"what\":\"%s\",\"unit\":\"%s\",\"ours\":%s,\"peer\":%s,\"ratio\":%.3f,\"aim\":\"<= 1\",\"met\":%s}\n",
            what, unit, value, limit, value / limit, value <= limit ? "true" : "false" }'
}

"${agent[@]}" cycle "${state[@]}" >&2
password >"$HOME/current"
start=$(cost "${agent[@]}" --version </dev/null)
check=$(cost "${agent[@]}" check-password "${state[@]}" <"$HOME/current")
idle=$(cost "${agent[@]}" cycle "${state[@]}" </dev/null)
RUNS=5 rotating=$(RUNS=5 cost "${agent[@]}" reset "${state[@]}" </dev/null)

grep -q '^root:!*\$y\$j9T\$' "$WORK/tree/etc/shadow" || note "the verifier is not yescrypt at its usual cost: the cost of hashes below is not right"
made=$(cost "$TOOLS/hash" </dev/null)
hashes_ms=$(awk -v a="$(field cpu_ms <<<"$check")" -v b="$(field cpu_ms <<<"$start")" -v c="$(field cpu_ms <<<"$made")" 'BEGIN { printf "%.2f", a - b + c }')
note "start of the program: $start"
note "making a verifier (the agent's own hash): $made"
note "checking a password (the start and the system's hash): $check"
note "so the two hashes of a rotation are about $hashes_ms ms of CPU"
bound "cycle that is not due: CPU against the bound" ms "$(field cpu_ms <<<"$idle")" 29
bound "cycle that is not due: memory against the bound" MiB "$(field resident_mib <<<"$idle")" 13
rest=$(awk -v a="$(field cpu_ms <<<"$rotating")" -v h="$hashes_ms" 'BEGIN { printf "%.2f", a - h }')
bound "cycle that rotates beside its two hashes: CPU against the bound" ms "$rest" 63
note "rotation whole: $rotating"

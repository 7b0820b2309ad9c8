#!/usr/bin/env bash
# Secrecy: the passwords that a fleet really used are looked for in everything that is written down or can be seen from
# outside: logs, database, state and journal of the agent, backups, audit trail, arguments and environments of the
# processes. A planted leak must be found (positive control). No root: the agent manages a tree of its own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
export BIN=${BIN:-$TARGET/debug} WORK=$TARGET/ci/canary
rm -rf "$WORK" && mkdir -p "$WORK"
cargo build --quiet --locked --package xtask
. "$here/fleet.sh"

# The most talkative logs that there are.
export LOG=trace RUST_BACKTRACE=1

tree_up "$WORK/tree"
server_up
policy_up "$here/data/builtin.xml"
agent_up --prefix "$WORK/tree"
until_true 30 password || die "no password after 30 s"
passwords=("$(password)")
for _ in 1 2 3; do
    lapwing password rotate "$DEVICE" --wait
    passwords+=("$(password)")
done
lapwing password get "$DEVICE" --history >/dev/null

# What else writes: refusals, events, explanations, a backup, a restart after a kill.
printf 'not-the-%s\n' "${passwords[3]}" | lapwing_agent check-password --state "$WORK/state" --prefix "$WORK/tree" >"$WORK/check.out" 2>&1 || true
lapwing_agent events --state "$WORK/state" >"$WORK/events.out"
lapwing explain "$DEVICE" >"$WORK/explain.out"
lapwing audit list --output json >"$WORK/audit.out"
if lapwingd backup --help >/dev/null 2>&1; then
    lapwingd backup --data "$WORK/server" --to "$WORK/backup" >"$WORK/backup.out" 2>&1
else
    say "lapwingd has no backup command: no backup was scanned"
fi
mkdir "$WORK/processes"
for pid in "${STARTED[@]}"; do
    tr '\0' ' ' <"/proc/$pid/cmdline" >"$WORK/processes/$pid.arguments"
    grep -q lapwing "$WORK/processes/$pid.arguments" || die "process $pid is not ours: $(cat "$WORK/processes/$pid.arguments")"
    cp "/proc/$pid/environ" "$WORK/processes/$pid.environment"
    grep -q '^Max core file size *0 ' "/proc/$pid/limits" || die "process $pid may leave a core file"
done
kill -9 "$SERVER"
wait "$SERVER" || true
server_start

scan() { printf '%s\n' "${passwords[@]}" | "$TARGET/debug/xtask" canary "$WORK"; }
scan
say "no password in logs, database, journal, arguments, environments, backup"

# Positive control: base64 in the middle of a line, of a password that was superseded long ago.
printf 'level=debug body=%s\n' "$(printf '{"password":"%s"}' "${passwords[0]}" | base64 -w0)" >>"$WORK/server.log"
if scan >"$WORK.control" 2>&1; then die "the planted leak was not found: the scan is worth nothing"; fi
grep -q 'server.log: base64' "$WORK.control" || die "the scan failed for another reason: $(cat "$WORK.control")"
say "the planted leak was found"

#!/usr/bin/env bash
# (k) coverage over 100,000 devices, one in ten without a password: the engine of explain on evidence that the store gives
# in bulk. Its peer is a fixed bound: one second. COUNT sets how many devices.
. "$(dirname "$0")/lib.sh"
mkdir -p "$WORK/k"
"$BIN/examples/coverage" "${COUNT:-100000}" >"$WORK/k/ours"
sed 's/.*/1/' "$WORK/k/ours" >"$WORK/k/bound"
pair k "coverage over ${COUNT:-100000} devices" s "<= 1" "$WORK/k/ours" "$WORK/k/bound"

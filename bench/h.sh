#!/usr/bin/env bash
# (h) one LAPS password protected and opened in the public-key form (DH): at most 1.2 times the bare exponentiations of the
# same big-integer library, and a third of the Python package dpapi-ng on the same path.
. "$(dirname "$0")/lib.sh"
python=$(bash "$ROOT/ci/dpapi-ng.sh") || { note "without the second pair: dpapi-ng cannot be had" && python=; }
"$TOOLS/blob" --rounds 21 --milliseconds 200 --python "$python" --script "$BENCH/peer_dpapi.py"

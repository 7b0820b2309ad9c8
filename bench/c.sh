#!/usr/bin/env bash
# (c) SyncML: at most 1.5 times bare tokenising.
. "$(dirname "$0")/lib.sh"
"$TOOLS/syncml" --rounds 101 --milliseconds 20

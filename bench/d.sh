#!/usr/bin/env bash
# (d) generator: at most 2 times the cost of drawing the same random bits.
. "$(dirname "$0")/lib.sh"
"$TOOLS/generator" --rounds 101 --milliseconds 20

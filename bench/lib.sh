# Sourced by the scripts of this folder. All work is under $WORK; load goes to loopback only; what is started is
# stopped by pid.
# shellcheck shell=bash
set -euo pipefail
BENCH=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$BENCH")
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
mkdir -p "$TARGET" && TARGET=$(cd "$TARGET" && pwd)
WORK=${WORK:-$TARGET/bench-work}
TOOLS=${TOOLS:-$TARGET/bench/release}
BIN=${BIN:-$TARGET/release}
ROUNDS=${ROUNDS:-5} SECS=${SECS:-3}
mkdir -p "$WORK"

note() { echo "# $*"; }

# conditions: how busy the machine is with everything, beside every number.
conditions() { note "load $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"; }

# field NAME: a number from one line of JSON on standard input.
field() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; }

# pair NAME WHAT UNIT AIM OURS PEER: one line of JSON, from two files with a number a round each. AIM as '>= 0.8'.
pair() {
    paste -d' ' "$5" "$6" | awk -v pair="$1" -v what="$2" -v unit="$3" -v aim="$4" '
        { ours[NR] = $1; peer[NR] = $2; ratio[NR] = $1 / $2 }
        function median(of,   i, j, x, n) {
            n = NR
            for (i = 2; i <= n; i++) { x = of[i]; for (j = i - 1; j > 0 && of[j] > x; j--) of[j + 1] = of[j]; of[j + 1] = x }
            return of[int((n + 1) / 2)]
        }
        END {
            r = median(ratio); split(aim, part, " ")
            met = part[1] == ">=" ? r >= part[2] : r <= part[2]
            printf "{\"pair\":\"%s\",\"what\":\"%s\",\"unit\":\"%s\",\"ours\":%.3f,\"peer\":%.3f,\"ratio\":%.3f,\"ratio_min\":%.3f,\"ratio_max\":%.3f,\"rounds\":%d,\"aim\":\"%s\",\"met\":%s}\n",
                pair, what, unit, median(ours), median(peer), r, ratio[1], ratio[NR], NR, aim, met ? "true" : "false"
        }'
}

# figure NAME WHAT UNIT OURS: one line of JSON for what has no peer: the median of a file with a number a round.
figure() {
    sort -n "$4" | awk -v pair="$1" -v what="$2" -v unit="$3" '
        { at[NR] = $1 }
        END { printf "{\"pair\":\"%s\",\"what\":\"%s\",\"unit\":\"%s\",\"ours\":%.3f,\"min\":%.3f,\"max\":%.3f,\"rounds\":%d,\"aim\":\"none\"}\n",
            pair, what, unit, at[int((NR + 1) / 2)], at[1], at[NR], NR }'
}

#!/usr/bin/env bash
# Agent and server as processes over SQLite and an account tree of their own, both killed with SIGKILL at random moments
# while the password is changed in a loop; after each kill what retrieval returns is tried against the account.
# `ci/soak.sh [ROTATIONS] [SEED]`; 500 rotations when nothing is said. BIN: the folder of the three programs, else they
# are built for release. The figures are the lines that begin with "soak: "; one lost password fails.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
[ -n "${BIN:-}" ] || cargo build --release --locked "${DAEMONS[@]}"
export LAPWING_PROGRAMS=${BIN:-$TARGET/release} LAPWING_ROTATIONS=${1:-500}
[ -z "${2:-}" ] || export LAPWING_SEED=$2
cargo test "${HOUSE[@]}" --locked --test it -- --exact served::soak::both_killed_at_random_moments_while_rotating --nocapture

#!/usr/bin/env bash
# The tests that want an Active Directory domain: starts one with two domain controllers (testkit/ad-lab), and one whose
# forest nobody extended, runs them, takes the domains down.
#   ci/e2e-ad.sh [FILTER]     a filter expression of nextest in place of the usual ones; AD_LAB=DIR keeps that domain and
#                             uses it again
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/lib.sh"
is_root || { echo "e2e-ad.sh: a domain controller has fixed ports: root is needed" >&2; exit 1; }
has_kerberos || { echo "e2e-ad.sh: libkrb5-dev or libclang-dev is missing" >&2; exit 1; }
lab=$ROOT/testkit/ad-lab/samba-ad
# Short paths: the sockets below them have long names.
bare=$(mktemp -d /tmp/lapwing-ad.XXXX)
dir=${AD_LAB:-$(mktemp -d /tmp/lapwing-ad.XXXX)}
down() {
    bash "$lab" down "$bare" && rm -rf "$bare"
    [ -n "${AD_LAB:-}" ] || { bash "$lab" down "$dir" && rm -rf "$dir"; }
}
trap down EXIT
LAB_SECOND=${LAB_SECOND:-1} bash "$lab" up "$dir" >"$dir/up.env" || exit 1
# A forest that nobody extended, for the test that extends it.
LAB_SCHEMA=0 LAB_GKDI=0 bash "$lab" up "$bare" >"$bare/up.env" || exit 1

# What a process that signs in by a keytab must have from its start; the other accounts of the tests use passwords.
export LAPWING_AD_LAB=$dir LAPWING_AD_LAB_BARE=$bare LAPWING_AD_LAB_SCRIPT=$lab KRB5_CONFIG=$dir/etc/krb5.conf
export KRB5_CLIENT_KTNAME=FILE:$dir/keytabs/ws01.keytab KRB5CCNAME=MEMORY:lapwing

# run FILTER [ARGUMENTS]: the packages and features of everything else, so that nothing is built twice.
run() {
    local filter=$1
    shift
    cargo nextest run "${HOUSE[@]}" --locked --lib --bins --tests --no-fail-fast --status-level fail --success-output final -E "$filter" "$@"
}
if [ $# != 0 ]; then
    run "$1"
    exit
fi
# Behind the others: what takes a domain controller down, and what has the machine's account for itself.
alone='package(lapwing-ad) and test(/^(alone|two)::/) or package(lapwing-agent) and test(/^domain_kill::/)'
run "(package(lapwing-ad) and kind(test) or package(lapwing-cli) and test(/^ad::/)) and not ($alone)"
LAPWING_AD_LAB_ALONE=1 run "$alone" --test-threads 1

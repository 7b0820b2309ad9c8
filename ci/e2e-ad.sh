#!/usr/bin/env bash
# The tests that want an Active Directory domain: starts one (testkit/ad-lab), runs them, takes it down.
#   ci/e2e-ad.sh [FILTER...]      arguments go to the test program; AD_LAB=DIR keeps that domain and uses it again
# Environment: LAPWING_AD_LAB_ALONE=1 lets tests take the domain controller down; without arguments they run last.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo "e2e-ad.sh: a domain controller has fixed ports: root is needed" >&2; exit 1; }
lab=$here/../testkit/ad-lab/samba-ad
# Short paths: the sockets below them have long names.
bare=$(mktemp -d /tmp/lapwing-ad.XXXX)
if [ -n "${AD_LAB:-}" ]; then
    dir=$AD_LAB
    trap 'bash "$lab" down "$bare"; rm -rf "$bare"' EXIT
else
    dir=$(mktemp -d /tmp/lapwing-ad.XXXX)
    trap 'bash "$lab" down "$bare"; bash "$lab" down "$dir"; rm -rf "$dir" "$bare"' EXIT
fi
LAB_SECOND=${LAB_SECOND:-1} bash "$lab" up "$dir" >"$dir/up.env" || exit 1
# A forest that nobody extended, for the test that extends it.
LAB_SCHEMA=0 LAB_GKDI=0 bash "$lab" up "$bare" >"$bare/up.env" || exit 1

# What a process that signs in by a keytab must have from its start; the other accounts of the tests use passwords.
export LAPWING_AD_LAB=$dir LAPWING_AD_LAB_BARE=$bare KRB5_CONFIG=$dir/etc/krb5.conf
export KRB5_CLIENT_KTNAME=FILE:$dir/keytabs/ws01.keytab KRB5CCNAME=MEMORY:lapwing
export LAPWING_AD_LAB_SCRIPT=$lab
cd "$here/.."
cargo test -p lapwing-ad --test it -- "$@"
# Behind the others: what takes the domain controller down.
[ $# != 0 ] || LAPWING_AD_LAB_ALONE=1 cargo test -p lapwing-ad --test it -- --test-threads=1 alone:: two::

#!/usr/bin/env bash
# The tests that want an Active Directory domain: starts one (testkit/ad-lab), runs them, takes it down.
#   ci/e2e-ad.sh [FILTER...]      arguments go to the test program; AD_LAB=DIR keeps that domain and uses it again
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo "e2e-ad.sh: a domain controller has fixed ports: root is needed" >&2; exit 1; }
lab=$here/../testkit/ad-lab/samba-ad
if [ -n "${AD_LAB:-}" ]; then
    dir=$AD_LAB
else
    # A short path: the sockets below it have long names.
    dir=$(mktemp -d /tmp/lapwing-ad.XXXX)
    trap 'bash "$lab" down "$dir"; rm -rf "$dir"' EXIT
fi
bash "$lab" up "$dir" >"$dir/up.env" || exit 1

# What a process that signs in by a keytab must have from its start; the other accounts of the tests use passwords.
export LAPWING_AD_LAB=$dir KRB5_CONFIG=$dir/etc/krb5.conf
export KRB5_CLIENT_KTNAME=FILE:$dir/keytabs/ws01.keytab KRB5CCNAME=MEMORY:lapwing
cd "$here/.."
cargo test -p lapwing-ad --test it -- "$@"

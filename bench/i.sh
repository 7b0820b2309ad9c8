#!/usr/bin/env bash
# (i) backups to a real Samba domain controller over sealed LDAP, each one modify of password, history, expiry and version,
# against ldapmodify doing the same modifies: at least 0.9 of it. One connection a round on both sides; what ldapmodify
# needs to start and bind is measured with one modify and taken off.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { note "a domain controller has fixed ports: root is needed"; exit 1; }
[ -x "$TOOLS/directory" ] || { note "built without Active Directory (libkrb5-dev, libclang-dev)"; exit 1; }
command -v ldapmodify >/dev/null || { note "ldapmodify is missing (Debian: ldap-utils)"; exit 1; }
lab=$ROOT/testkit/ad-lab/samba-ad
dir=$(mktemp -d /tmp/lapwing-ad.XXXX)
trap 'bash "$lab" down "$dir"; rm -rf "$dir"' EXIT
bash "$lab" up "$dir" >"$dir/up.env"
set -a
. "$dir/up.env"
set +a
count=${COUNT:-300}
ours() { KRB5_CLIENT_KTNAME=FILE:$LAB_KEYTAB_DIR/ws01.keytab KRB5CCNAME=MEMORY:lapwing "$TOOLS/directory" --domain "$LAB_DNS_DOMAIN" --dns "$LAB_DNS_SERVER" --account 'WS01$' "$@"; }
export KRB5CCNAME=FILE:$dir/peer.cc
kinit -kt "$LAB_KEYTAB_DIR/ws01.keytab" 'WS01$'
peer() { # COUNT: seconds for a whole run of ldapmodify
    ours --count "$1" --ldif "$dir/peer.ldif"
    local begun=$EPOCHREALTIME
    ldapmodify -Q -Y GSSAPI -H "ldap://$LAB_DC_IP" -f "$dir/peer.ldif" >"$dir/peer.log"
    awk -v a="$begun" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'
}
ours --count 20 >"$dir/warm"
: >"$WORK/i.ours" && : >"$WORK/i.peer"
for _ in $(seq "$ROUNDS"); do
    ours --count "$count" >>"$WORK/i.ours"
    one=$(peer 1)
    all=$(peer "$count")
    awk -v n="$count" -v one="$one" -v all="$all" 'BEGIN { print (n - 1) / (all - one) }' >>"$WORK/i.peer"
done
pair i "backup to a domain controller, one modify each" "/s" ">= 0.9" "$WORK/i.ours" "$WORK/i.peer"

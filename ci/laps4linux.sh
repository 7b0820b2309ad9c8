#!/usr/bin/env bash
# Both directions with LAPS4LINUX, unmodified: `make interop LAPS4LINUX=DIR`. It is GPL and on no registry; DIR is a
# checkout of https://github.com/schorschii/LAPS4LINUX outside this repository. On one machine of a real Samba domain
# (testkit/ad-lab): its runner writes and we read; our agent goes on with the same computer object and its client reads,
# ours and its own former ones; its runner writes again over ours and we read. At the end, what one cycle that rotates costs
# either of them (ROUNDS in turn). Real accounts in a copy of /etc, each password tried with `su`. The group keys come from
# the stand-in of the test domain.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != inside ]; then
    . "$here/lib.sh"
    export LAPS4LINUX=$(cd "${LAPS4LINUX:?names a checkout of LAPS4LINUX}" && pwd) PEER=$TARGET/laps4linux
    is_root || { echo "root is needed: for a domain controller, accounts and namespaces"; exit 1; }
    # What it needs in Python; two of them are compiled against the system's Kerberos, which takes minutes once.
    wanted=$ROOT/ci/data/laps4linux.txt
    if ! cmp -s "$wanted" "$PEER/.installed"; then
        rm -rf "$PEER" && python3 -m venv "$PEER"
        "$PEER/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --requirement "$wanted"
        cp "$wanted" "$PEER/.installed"
    fi
    need time time
    if [ -z "${BIN:-}" ]; then
        cargo build --release --locked -p lapwing-agent -p lapwing-cli --features lapwing-agent/ad,lapwing-cli/ad
        export BIN=$TARGET/release
    fi
fi
. "$here/own-etc.sh" "$@"
. "$here/own-domain.sh"
domain_up
useradd -M -s /bin/sh contoso

# --- theirs
server='{"address": "'$LAB_DC_HOST'", "port": 636, "ssl": true}'
cat >"$WORK/runner.json" <<EOF
{"server": [$server], "use-starttls": false, "domain": "$LAB_DNS_DOMAIN", "cred-cache-file": "$WORK/runner.cc",
 "client-keytab-file": "$LAB_KEYTAB_DIR/ws01.keytab", "native-laps": true, "security-descriptor": "$LAB_SID_LAPSADMINS",
 "history-size": 5, "ldap-attribute-password": "msLAPS-EncryptedPassword", "hostname": "WS01",
 "password-change-user": "contoso", "password-days-valid": 30, "password-length": 15}
EOF
mkdir -p "$WORK/home/.config/laps-client"
printf '{"server": [%s], "use-starttls": false, "domain": "%s"}\n' "$server" "$LAB_DNS_DOMAIN" >"$WORK/home/.config/laps-client/settings.json"
theirs() { PYTHONDONTWRITEBYTECODE=1 SSL_CERT_FILE=$LAB_CA_FILE PYTHONPATH=$LAPS4LINUX/$1 "$PEER/bin/python" -c "${@:2}"; }
runner() {
    KRB5_KTNAME=$LAB_KEYTAB_DIR/ws01.keytab theirs laps-runner 'from laps_runner.laps_runner import main; main()' \
        --force --config "$WORK/runner.json" >"$WORK/runner.log" 2>&1 || die "its runner: $(tail -n 5 "$WORK/runner.log")"
}
# its_client COMPUTER: what its client shows to a member of the group.
its_client() {
    kinit -c "$WORK/client.cc" "$LAB_LAPS_ADMIN" <"$WORK/password" >/dev/null
    HOME=$WORK/home KRB5CCNAME=$WORK/client.cc theirs laps-client 'from laps_client.laps_cli import main; main()' "$1"
}

# --- ours
ours() { lapwing ad get "$@" --user "laps.admin@$LAB_DNS_DOMAIN" --password-file "$WORK/password" --output json; }
STATE=$WORK/state
agent() { lapwing_agent "$@" --state "$STATE"; }

version=$(sed -n "s/^__version__ *= *'\(.*\)'/\1/p" "$LAPS4LINUX/laps-runner/laps_runner/__init__.py")
runner
first=$(ours WS01 | json '.[0].Password')
opens "$first" contoso || die "the password that we read does not open the account that its runner set"
[ "$(ours WS01 | jq -c '.[0] | [.Account, .Source, .DecryptionStatus, .AuthorizedDecryptor]')" = '["contoso","EncryptedPassword","Success","LAPS\\LAPSAdmins"]' ] ||
    die "we read: $(ours WS01 | jq -c '.[0] | del(.Password)')"
runner
second=$(ours WS01 | json '.[0].Password')
[ "$(ours WS01 --history | jq -c '[.[].Password]')" = "$(jq -nc --arg a "$second" --arg b "$first" '[$a, $b]')" ] || die "we read another history"
opens "$second" contoso || die "the second password that we read does not open the account"
say "LAPS4LINUX $version: its runner wrote, encrypted for the group; lapwing ad get reads the password and its history, su takes it"

agent join-domain --keytab "$LAB_KEYTAB_DIR/ws01.keytab" >"$WORK/join.log" 2>&1 || die "join-domain: $(tail -n 3 "$WORK/join.log")"
mkdir -p "$STATE/policy"
python3 "$lab/registry-pol.py" "$STATE/policy/registry.pol" BackupDirectory=2 AdministratorAccountName=contoso \
    PasswordAgeDays=15 PasswordComplexity=4 PasswordLength=20 ADPasswordEncryptionEnabled=1 \
    'ADPasswordEncryptionPrincipal=LAPS\LAPSAdmins' ADEncryptedPasswordHistorySize=12
agent cycle
third=$(ours WS01 | json '.[0].Password')
[ ${#third} = 20 ] && opens "$third" contoso || die "our agent did not rotate"
its_client WS01 >"$WORK/client.log" 2>&1 || die "its client: $(tail -n 5 "$WORK/client.log")"
grep -F "$third  (contoso)" "$WORK/client.log" | grep -q '^Administrator Password:' || die "its client shows another password than the one our agent stored"
for former in "$first" "$second"; do
    grep -F "$former  (contoso)" "$WORK/client.log" | grep -q '^Administrator Password History:' || die "its client does not show what its runner wrote before our agent"
done
say "LAPS4LINUX $version: our agent wrote; its client shows the password, and its own former ones, which our agent moved as they stood"

runner
fourth=$(ours WS01 | json '.[0].Password')
opens "$fourth" contoso || die "what its runner wrote over ours does not open the account"
ours WS01 --history | jq -e --arg ours "$third" '[.[1:][].Password] | index($ours)' >/dev/null || die "our password is not in the history that its runner kept"
say "LAPS4LINUX $version: its runner wrote over ours; we read it, and ours in the history that it kept"

# --- what one cycle that rotates costs, both with SHA-512 crypt (of 656,000 rounds in theirs, the default of its library;
# of 5,000 in ours, the default of the system)
sed -i 's/yescrypt/sha512/' /etc/pam.d/common-password
sed -i '/^ENCRYPT_METHOD/d' /etc/login.defs && echo 'ENCRYPT_METHOD SHA512' >>/etc/login.defs
# cost FILE COMMAND...: CPU in ms and the largest memory of one process in KiB.
cost() {
    command time -f '%U %S %M' -o "$WORK/time" "${@:2}" >>"$WORK/cost.log" 2>&1 || die "$1: $(tail -n 5 "$WORK/cost.log")"
    awk '{print ($1 + $2) * 1000, $3}' "$WORK/time" >>"$WORK/$1.cost"
}
export -f theirs
for _ in $(seq "${ROUNDS:-5}"); do
    KRB5_KTNAME=$LAB_KEYTAB_DIR/ws01.keytab cost their-cycle bash -c 'theirs "$@"' _ laps-runner \
        'from laps_runner.laps_runner import main; main()' --force --config "$WORK/runner.json"
    cost our-cycle "$BIN/lapwing-agent" reset --state "$STATE"
done
grep -q '^contoso:\$6\$' /etc/shadow || die "the last hash is not of SHA-512 crypt"
# Numbers in which the bench's own scripts would print a pair.
median() { awk -v column="$2" '{print $column}' "$WORK/$1.cost" | sort -n | awk '{all[NR] = $1} END {print all[int((NR + 1) / 2)]}'; }
awk -v ours="$(median our-cycle 1)" -v peer="$(median their-cycle 1)" -v our_memory="$(median our-cycle 2)" -v peer_memory="$(median their-cycle 2)" 'BEGIN {
    printf "one cycle that rotates: CPU %d ms, LAPS4LINUX %d ms, ratio %.3f (aim 0.1); memory %.1f MiB, LAPS4LINUX %.1f MiB, ratio %.2f (aim 0.25)\n",
        ours, peer, ours / peer, our_memory / 1024, peer_memory / 1024, our_memory / peer_memory }'

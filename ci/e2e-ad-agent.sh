#!/usr/bin/env bash
# The agent and Active Directory end to end, as root: a real Samba domain (testkit/ad-lab), a machine that joins it with
# adcli, policy from registry.pol and from the CSP, a real `su` through the machine's own PAM, `lapwing ad`, and readers
# that are not ours. In a private mount namespace a copy of /etc stands over /etc; the domain ends with the namespace.
# The group keys come from the stand-in of the test domain: Samba has no such service.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/own-etc.sh" "$@"
. "$here/own-domain.sh"

# Before the machine asks the domain's name server only: it may have to be downloaded.
python=$(bash "$here/dpapi-ng.sh" 2>"$WORK/dpapi-ng.log") || python=
# impacket, unmodified, in a virtual environment under the target folder.
impacket=$(dirname "$WORK")/impacket
if ! cmp -s "$lab/impacket.txt" "$impacket/.installed"; then
    rm -rf "$impacket"
    { python3 -m venv "$impacket" && "$impacket/bin/pip" install --quiet --disable-pip-version-check --no-input --no-deps \
        --only-binary :all: --require-hashes --requirement "$lab/impacket.txt" && cp "$lab/impacket.txt" "$impacket/.installed"; } \
        >"$WORK/impacket.log" 2>&1 || rm -rf "$impacket"
fi
domain_up
say "domain $LAB_DNS_DOMAIN is up"

as() { local user=$1; shift; lapwing ad "$@" --user "$user@$LAB_DNS_DOMAIN" --password-file "$WORK/password"; }
# get ACCOUNT COMPUTER [...]: the password that an account reads.
get() { local user=$1; shift; as "$user" get "$@" --output json | json '.[0].Password'; }
STATE=$WORK/state
agent() { lapwing_agent "$@" --state "$STATE"; }
events() { agent events -n 1000 --output json; }
# has_event ID TEXT: an event with this text in it.
has_event() { events | jq -e --argjson id "$1" --arg text "$2" '[.[] | select(.event == $id and (.text | contains($text)))] | length >= 1' >/dev/null; }
# must_not_change NAME COMMAND...: whatever comes of it, the account database stays to the byte.
must_not_change() {
    local name=$1 before after
    shift
    before=$(cat "${TREE:-}"/etc/shadow "${TREE:-}"/etc/passwd | sha256sum)
    "$@" >>"$WORK/agent.log" 2>&1 || true
    after=$(cat "${TREE:-}"/etc/shadow "${TREE:-}"/etc/passwd | sha256sum)
    [ "$before" = "$after" ] || die "$name: the account database was changed"
}

useradd -M -s /bin/sh contoso
printf 'contoso:%s\n' 'before-Lapwing-1' | chpasswd
opens 'before-Lapwing-1' contoso || die "the harness itself: su does not take the first password"

# --- joined with adcli
adcli join "$LAB_DNS_DOMAIN" --domain-controller="$LAB_DC_HOST" --login-user=Administrator --stdin-password \
    --computer-name=AGENT01 --host-fqdn="agent01.$LAB_DNS_DOMAIN" --domain-ou="OU=Workstations,$LAB_LAB_OU" \
    --host-keytab=/etc/krb5.keytab <"$WORK/password" >"$WORK/adcli.log" 2>&1 || die "adcli: $(tail -n 5 "$WORK/adcli.log")"
# The commands of README, as they stand there.
readme() { grep -x "$1" "$here/../README.md" || die "README has no line $1"; }
# shellcheck disable=SC2046
agent $(readme 'lapwing-agent join-domain' | cut -d' ' -f2-)
say "joined with adcli, and the agent with its keytab"

# --- policy from registry.pol, laid down as a file: what a client of SYSVOL would put there
mkdir -p "$STATE/policy"
python3 "$lab/registry-pol.py" "$STATE/policy/registry.pol" BackupDirectory=2 AdministratorAccountName=contoso \
    PasswordAgeDays=15 PasswordComplexity=4 PasswordLength=20 ADPasswordEncryptionEnabled=1 \
    'ADPasswordEncryptionPrincipal=LAPS\LAPSAdmins' ADEncryptedPasswordHistorySize=12
agent cycle
first=$(get laps.admin AGENT01)
[ ${#first} = 20 ] || die "the password has ${#first} characters"
opens "$first" contoso || die "the password that retrieval printed does not open the account"
! opens 'before-Lapwing-1' contoso || die "the password from before still opens the account"
has_event 10018 '' && has_event 10020 '' || die "events: $(events | jq -c '.[].event')"
# With tickets, as README has it.
export KRB5CCNAME=FILE:$WORK/tickets
kinit "laps.admin@$LAB_REALM" <"$WORK/password" >/dev/null
with_tickets=$(readme 'lapwing ad get NAME' | sed 's/^lapwing //; s/NAME/AGENT01/')
# shellcheck disable=SC2086
[ "$(lapwing $with_tickets --output json | json '.[0].Password')" = "$first" ] || die "with tickets another password is read"
unset KRB5CCNAME
! get laps.reader AGENT01 >/dev/null 2>&1 || die "laps.reader is no member of the principal and reads it"
! get plain.user AGENT01 >/dev/null 2>&1 || die "plain.user reads it"
say "policy from registry.pol: backed up for LAPS\\LAPSAdmins, opens the account through su and PAM"

# --- readers that are not ours
if [ -n "$python" ]; then
    open_offline() { /usr/bin/python3 "$lab/stored.py" "$LAB_SMB_CONF" 'AGENT01$' | "$python" "$lab/open-offline.py"; }
    [ "$(open_offline | head -n 1 | json .p)" = "$first" ] || die "dpapi-ng reads another password"
    say "dpapi-ng opens it offline, from the domain's root key"
else
    open_offline() { :; }
    echo "SKIPPED dpapi-ng offline: $(tail -n 1 "$WORK/dpapi-ng.log")"
fi
# Passwords that impacket's functions open, from the root key too.
open_impacket() { /usr/bin/python3 "$lab/stored.py" "$LAB_SMB_CONF" "$1" | "$impacket/bin/python" "$lab/open-impacket.py" | jq -r .p; }

# --- policy from the CSP: the published document, only its principal and its account changed
sed -e 's/LAPSAdmins@contoso.com/LAPSAdmins@laps.test/' -e 's/ContosoLocalLapsAdmin/contoso/' \
    "$here/../crates/proto/tests/data/policy-hybrid.xml" >"$WORK/hybrid.xml"
agent csp apply "$WORK/hybrid.xml" >"$WORK/csp.xml"
agent cycle
[ "$(get laps.admin AGENT01)" = "$first" ] || die "another principal by the same SID, and another length: no reason to rotate"
# From afar, by somebody who may only that.
as help.desk expire AGENT01
agent cycle
second=$(get laps.admin AGENT01)
[ ${#second} = 14 ] || die "the password has ${#second} characters"
opens "$second" contoso && ! opens "$first" contoso || die "the account does not open with the second password alone"
[ "$(as laps.admin get AGENT01 --history --output json | jq -r '.[1].Password')" = "$first" ] || die "the history does not have the first one"
[ -z "$(open_offline)" ] || [ "$(open_offline | jq -r .p | sort)" = "$(printf '%s\n' "$first" "$second" | sort)" ] || die "dpapi-ng reads other passwords"
agent cycle
[ "$(get laps.admin AGENT01)" = "$second" ] || die "rotated without a reason"
say "policy from the CSP: expired from afar by the help desk, rotated, the former one is in the history"

if [ -x "$impacket/bin/python" ]; then
    opened=$(open_impacket 'AGENT01$')
    [ -n "$opened" ] || die "impacket opens neither of two values"
    ! grep -vxF -e "$first" -e "$second" <<<"$opened" || die "impacket reads another password"
    say "impacket's functions open $(wc -l <<<"$opened") of 2 values"
else
    echo "SKIPPED impacket's functions: pip could not install them: $(tail -n 1 "$WORK/impacket.log")"
fi

# --- an administrator asks for it, and the domain controller is gone
agent reset
third=$(get laps.admin AGENT01)
[ "$third" != "$second" ] && opens "$third" contoso || die "reset did not rotate"
kill -KILL "$(cut -d' ' -f1 "$dir/samba.pid")"
must_not_change "no domain controller" agent reset
has_event 10056 '' || die "events: $(events | jq -c '.[] | [.event, .text]' | tail -n 5)"
opens "$third" contoso || die "the password does not open the account any more"
bash "$lab/samba-ad" down "$dir" && bash "$lab/samba-ad" up "$dir" >/dev/null
agent cycle
fourth=$(get laps.admin AGENT01)
opens "$fourth" contoso || die "the password in the directory does not open the account"
say "domain controller killed: nothing was changed; back again, the stored password opens the account"

# --- hybrid: joined to a Lapwing server too, and policy moves between the two directories
server_up
policy_up "$here/data/contoso.xml"
agent_join
agent cycle
cloud=$(password)
opens "$cloud" contoso && ! opens "$fourth" contoso || die "moving to the cloud did not rotate at once"
[ "$(get laps.admin AGENT01)" = "$fourth" ] || die "both directories were written"
lapwing policy import "$WORK/hybrid.xml" --name domain
lapwing policy unassign e2e
lapwing policy assign domain
agent cycle
fifth=$(get laps.admin AGENT01)
opens "$fifth" contoso && ! opens "$cloud" contoso || die "moving to the domain did not rotate at once"
[ "$(password)" = "$cloud" ] || die "both directories were written"
lapwing password get "$DEVICE" >"$WORK/released" 2>&1 || true
grep -q "no longer rotated" "$WORK/released" || die "retrieval does not say that it is released: $(cat "$WORK/released")"
lapwing policy unassign domain
lapwing policy assign e2e
agent cycle
sixth=$(password)
opens "$sixth" contoso && [ "$sixth" != "$cloud" ] && [ "$(get laps.admin AGENT01)" = "$fifth" ] || die "moving back to the cloud"
lapwing audit verify
say "hybrid: each move rotates at once, into one directory; what the server had is released"

# --- what is refused, on a tree of its own
refused() { # NAME, EVENT, TEXT, keytab, settings...
    local name=$1 event=$2 text=$3 keytab=$4 setting
    shift 4
    STATE=$WORK/state-$event TREE=$WORK/tree-$event
    tree_up "$TREE"
    printf 'contoso:x:1000:1000::/:/bin/sh\n' >>"$TREE/etc/passwd"
    printf 'contoso:*:20000:0:99999:7:::\n' >>"$TREE/etc/shadow"
    mkdir -p "$STATE/policy"
    for setting in BackupDirectory=2 AdministratorAccountName=contoso "$@"; do printf '%s = %s\n' "${setting%%=*}" "${setting#*=}"; done >"$STATE/policy/local.toml"
    agent join-domain --keytab "$dir/keytabs/$keytab.keytab" --prefix "$TREE" --volatile-ok >>"$WORK/agent.log" 2>&1 ||
        die "$name: join-domain: $(tail -n 3 "$WORK/agent.log")"
    must_not_change "$name" agent cycle
    has_event "$event" "$text" || die "$name: $(events | jq -c '.[] | [.event, .text]' | tail -n 8)"
    STATE=$WORK/state TREE=
    say "$name: event $event, nothing changed"
}
refused "a machine without rights" 10065 "lapwing ad permit self 'OU=NoLapsRights," bare01
refused "an isolated principal" 10034 'DOMAIN' ws01 ADPasswordEncryptionPrincipal=LAPSAdmins
refused "an unknown principal" 10035 'nobody' ws02 'ADPasswordEncryptionPrincipal="LAPS\nobody"'

# --- the recovery password of a domain controller: on Linux that of uid 0. A machine with a domain's database sets
# `controller` itself; this one plays it, with the keytab of the real one.
STATE=$WORK/state-dc TREE=$WORK/tree-dc
tree_up "$TREE"
mkdir -p "$STATE/policy"
dsrm() { { echo 'BackupDirectory = 2'; printf '%s\n' "$@"; } >"$STATE/policy/local.toml"; }
agent join-domain --keytab "$dir/keytabs/dc1.keytab" --prefix "$TREE" --volatile-ok >>"$WORK/agent.log"
jq '.controller = true' "$STATE/domain.json" >"$WORK/domain.json" && cp "$WORK/domain.json" "$STATE/domain.json"
dsrm
must_not_change "a controller whose policy says nothing" agent cycle
has_event 10008 '' || die "events: $(events | jq -c '.[].event')"
dsrm 'ADBackupDSRMPassword = true' 'ADPasswordEncryptionEnabled = false'
must_not_change "a controller without encryption" agent cycle
has_event 10005 dsrm_needs_encryption || die "events: $(events | jq -c '.[] | [.event, .text]')"
dsrm 'ADBackupDSRMPassword = true' 'ADPasswordEncryptionPrincipal = "LAPS\LAPSAdmins"'
agent cycle
as domain.admin get 'DC1$' --output json >"$WORK/dc.json"
[ "$(jq -r '.[0] | .Source + " " + .Account + " " + .AuthorizedDecryptor' "$WORK/dc.json")" = 'EncryptedDSRMPassword root LAPS\Domain Admins' ] ||
    die "the controller: $(jq -c 'map(del(.Password))' "$WORK/dc.json")"
jq -rj '.[0].Password' "$WORK/dc.json" | agent check-password 2>>"$WORK/agent.log" || die "the password does not open the controller's root"
STATE=$WORK/state TREE=
say "a domain controller: event 10008 without the setting, refused in clear, else encrypted for Domain Admins whatever the principal"

bash "$lab/samba-ad" down "$dir"
printf 'dn: %s\nchangetype: modify\nreplace: msDS-Behavior-Version\nmsDS-Behavior-Version: 6\n' "$LAB_BASE_DN" |
    ldbmodify --relax -H "$dir/dc/private/sam.ldb" >/dev/null
bash "$lab/samba-ad" up "$dir" >/dev/null
refused "a domain of 2012" 10006 '2016' srv01
bash "$lab/samba-ad" reset "$dir" >/dev/null
say "all of it"

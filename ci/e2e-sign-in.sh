#!/usr/bin/env bash
# Sign-ins with the managed account, end to end, as root: real su, sudo, login, sshd and cron of Debian over the
# system's PAM with Lapwing's hook in it; the deadline; and the end of sessions, for an account and for uid 0.
# logind is python-dbusmock's logind template on a bus of its own: it says what logind would say, and notes what it is
# asked for; a real logind is not part of this.
# All in private mount, process and network namespaces: a copy of /etc stands over /etc, and programs that are not
# installed are unpacked into a layer over /usr. Nothing of the machine is changed, and nothing restarts.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ "${1:-}" != inside ]; then
    . "$here/lib.sh"
    export BIN=${BIN:-$TARGET/debug} WORK=$TARGET/ci/e2e-sign-in
    debs=$LOGS/sign-in-debs
    rm -rf "$WORK" && mkdir -p "$WORK/layer/usr/bin" "$debs/partial"
    # Downloaded once, never installed.
    if [ ! -e "$debs/complete" ]; then
        apt-get update -qq
        apt-get install -qq -y --no-install-recommends --download-only -o Dir::Cache::archives="$debs" --reinstall \
            openssh-server openssh-client sudo cron dbus-daemon python3-dbus python3-gi python3-dbusmock
        touch "$debs/complete"
    fi
    for each in "$debs"/*.deb; do dpkg-deb -x "$each" "$WORK/layer"; done
    cp "$BIN/lapwing-agent" "$WORK/layer/usr/bin/lapwing-agent"
    exec unshare --mount --pid --net --fork --kill-child --mount-proc bash "$0" inside
fi
. "$here/fleet.sh"

# ---- a machine of its own ------------------------------------------------------------------------
ip link set lo up
cp -a /etc "$WORK/etc"
cp -an "$WORK/layer/etc/." "$WORK/etc/" || true
cp -a /usr/share/pam-configs "$WORK/pam-configs" && cp -a /var/lib/pam "$WORK/var-lib-pam"
mkdir -p "$WORK/layer/usr/sbin"
printf '#!/bin/sh\ntouch "%s/shutdown-was-called"\nexit 1\n' "$WORK" >"$WORK/layer/usr/sbin/shutdown"
chmod 755 "$WORK/layer/usr/sbin/shutdown"
mount -t overlay -o "lowerdir=$WORK/layer/usr:/usr" overlay /usr
mount --bind "$WORK/etc" /etc
mount --bind "$WORK/pam-configs" /usr/share/pam-configs
mount --bind "$WORK/var-lib-pam" /var/lib/pam
for each in /run /var/log /var/spool; do mount -t tmpfs -o mode=755 none "$each"; done
mkdir -p /run/sshd /run/lock /var/spool/cron/crontabs
touch /var/log/lastlog /var/log/wtmp
rm -f /etc/nologin /etc/securetty
printf 'PATH=/usr/bin:/bin\n' >/etc/environment
install -m 644 "$here/../packaging/pam/lapwing" /etc/pam.d/lapwing
id sshd >/dev/null 2>&1 || useradd -r -M -d /run/sshd -s /usr/sbin/nologin sshd
useradd -m -d "$WORK/contoso" -s /bin/bash contoso
useradd -M -s /bin/sh walker
printf 'contoso:before-Lapwing-1\nwalker:Walker-walks-1\nroot:before-Lapwing-2\n' | chpasswd
printf 'contoso ALL=(ALL) ALL\nwalker ALL=(ALL) ALL\nnobody ALL=(contoso) NOPASSWD: ALL\n' >/etc/sudoers.d/e2e
chmod 440 /etc/sudoers.d/e2e

ssh_up() {
    mkdir -p /etc/ssh/keys
    ssh-keygen -q -t ed25519 -N '' -f "$WORK/host"
    ssh-keygen -q -t ed25519 -N '' -f "$WORK/key"
    cp "$WORK/key.pub" /etc/ssh/keys/contoso
    SSH_PORT=$(free_port)
    cat >"$WORK/sshd_config" <<END
Port $SSH_PORT
ListenAddress 127.0.0.1
HostKey $WORK/host
AuthorizedKeysFile /etc/ssh/keys/%u
UsePAM yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
PermitRootLogin no
StrictModes no
PidFile none
END
    /usr/sbin/sshd -D -e -f "$WORK/sshd_config" 2>>"$WORK/sshd.log" &
    SSHD=$!
    STARTED+=("$SSHD")
    until_true 10 port_open "$SSH_PORT" || die "sshd: $(tail -n 3 "$WORK/sshd.log")"
    printf '#!/bin/sh\ncat "%s/askpass.secret"\n' "$WORK" >"$WORK/askpass" && chmod 755 "$WORK/askpass"
}
# ssh_as METHOD COMMAND...: signs in as contoso.
ssh_as() {
    local method=$1
    shift
    SSH_ASKPASS=$WORK/askpass SSH_ASKPASS_REQUIRE=force ssh -T -F none -p "$SSH_PORT" -i "$WORK/key" -o IdentitiesOnly=yes \
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o NumberOfPasswordPrompts=1 \
        -o PreferredAuthentications="$method" contoso@127.0.0.1 "$@" </dev/null
}
# with_password PASSWORD COMMAND...: for as long as COMMAND runs, ssh is given it.
with_password() {
    (umask 077 && printf '%s\n' "$1" >"$WORK/askpass.secret")
    shift
    local went=0
    "$@" || went=$?
    rm -f "$WORK/askpass.secret"
    return "$went"
}

events() { lapwing_agent events --state "$WORK/state" -n 1000 --output json; }
# How many sign-ins the agent has counted, and through what.
counted() { events | jq '[.[] | select(.event == 10041 or .event == 20030)] | length'; }
counted_through() { events | jq -e --arg through "through $1" '[.[] | select((.event == 10041 or .event == 20030) and (.text | contains($through)))] | length >= 1'; }
counted_is() { [ "$(counted)" = "$1" ]; }
seen_event() { events | jq -e --argjson id "$1" '[.[] | select(.event == $id)] | length >= 1'; }
done_is() { [ "$(events | jq '[.[] | select(.event == 10044)] | length')" = "$1" ]; }
# noticed THROUGH COUNT: the sign-in is counted, and no other was.
noticed() {
    until_true 70 counted_through "$1" || die "the sign-in through $1 was not noticed: $(events | tail -n 30)"
    counted_is "$2" || die "sign-ins counted: $(counted) instead of $2: $(events | jq -c '.[] | select(.event == 10041 or .event == 20030)')"
    say "noticed: $1"
}
agent_start() {
    (exec_agent run --state "$WORK/state") >>"$WORK/agent.log" 2>&1 &
    AGENT=$!
    STARTED+=("$AGENT")
}
agent_stop() { kill "$AGENT" && wait "$AGENT" || true; }
# What retrieval prints is another password than the known one, and opens the account: asked through the service
# lapwing, which has no hook.
new_password() {
    local now
    now=$(password) && [ "$now" != "${KNOWN:-}" ] && printf '%s\n' "$now" | lapwing_agent check-password --state "$WORK/state"
}
waits_for() { jq -e --argjson uid "$1" '.waiting.account_id == $uid' "$WORK/state/sign-ins.json"; }
# past MEMBER: an hour, or two minutes, pass while the machine is off: a time in the agent's state is put into the past.
past() {
    jq -e "$1" "$WORK/state/sign-ins.json" >/dev/null || die "$1: $(cat "$WORK/state/sign-ins.json")"
    jq --arg now "$(date -u -d '-1 second' +%FT%TZ)" "$1 = \$now" "$WORK/state/sign-ins.json" >"$WORK/edited"
    cp "$WORK/edited" "$WORK/state/sign-ins.json"
}
# deadline_passes UID: the reset, proven.
deadline_passes() {
    until_true 70 waits_for "$1" || die "no deadline: $(cat "$WORK/state/sign-ins.json")"
    agent_stop
    past .waiting.deadline
    agent_start
    until_true 60 new_password || die "no new password after the deadline: $(tail -n 5 "$WORK/agent.log")"
    FORMER=$KNOWN KNOWN=$(password)
}
# warning_passes COUNT: what follows the reset.
warning_passes() {
    until_true 20 jq -e .acting "$WORK/state/sign-ins.json" || die "nothing follows: $(cat "$WORK/state/sign-ins.json")"
    agent_stop
    past .acting.at
    agent_start
    until_true 40 done_is "$1" || die "what follows was not done: $(tail -n 5 "$WORK/agent.log")"
}
# actions NUMBER: policy asks for other actions.
actions() {
    sed "s/<Data>11</<Data>$1</" "$here/data/sign-in.xml" >"$WORK/policy.xml"
    lapwing policy import "$WORK/policy.xml" --name e2e
    lapwing_agent cycle --state "$WORK/state" >/dev/null
}
agent_pam() { lapwing_agent pam "$@" --state "$WORK/state"; }

opens 'before-Lapwing-1' contoso || die "the harness itself: su does not take the first password"
! opens 'wrong' contoso || die "the harness itself: su takes a wrong password"

# ---- the hook in the stack -----------------------------------------------------------------------
! agent_pam check 2>"$WORK/said" || die "check says yes without a hook"
grep -q pam_hook_absent "$WORK/said" || die "check: $(cat "$WORK/said")"
install -m 644 "$here/../packaging/pam/sign-in" /usr/share/pam-configs/lapwing
pam-auth-update --package
agent_pam check || die "the package's profile is not taken for right"
grep -q 'lapwing-agent pam notify' /etc/pam.d/common-auth || die "the profile is not in common-auth"
opens 'before-Lapwing-1' contoso || die "su with the profile's hook, and no agent at all"
pam-auth-update --package --remove lapwing
! grep -q lapwing-agent /etc/pam.d/common-auth || die "the profile stays in common-auth"
cp /etc/pam.d/common-auth "$WORK/common-auth"
agent_pam install && agent_pam check
pam-auth-update --package
! agent_pam check 2>"$WORK/said" && grep -q pam_hook_twice "$WORK/said" || die "profile and own line: $(cat "$WORK/said")"
agent_pam remove && agent_pam check
pam-auth-update --package --remove lapwing
cmp /etc/pam.d/common-auth "$WORK/common-auth" || die "remove leaves a trace"
rm /usr/share/pam-configs/lapwing
agent_pam install
pam-auth-update --package
agent_pam check || die "pam-auth-update took the line away"
opens 'before-Lapwing-1' contoso || die "su with the hook, and no agent at all"
say "the hook: package's profile and own line, put in and taken out"

# ---- what counts and what does not ---------------------------------------------------------------
ssh_up
server_up
policy_up "$here/data/sign-in.xml"
agent_up
until_true 60 new_password || die "no password after 60 s: $(lapwing explain "$DEVICE")"
KNOWN=$(password)
N=0

! opens wrong contoso || die "a wrong password opens"
[ "$(su -c 'id -un' contoso)" = contoso ] || die "su by root"
[ "$(ssh_as publickey id -un)" = contoso ] || die "ssh by key"
[ "$(as_nobody sudo -n -u contoso id -un)" = contoso ] || die "sudo without a password"
[ "$(printf 'Walker-walks-1\n' | setpriv --reuid=walker --regid=walker --clear-groups sudo -S -p '' -u contoso id -un)" = contoso ] || die "sudo with the password of another"
printf '* * * * * contoso id -un >%s/contoso/cron-ran\n' "$WORK" >/etc/cron.d/e2e
/usr/sbin/cron -f &
STARTED+=($!)
until_true 75 test -s "$WORK/contoso/cron-ran" || die "cron did not run its job"
rm /etc/cron.d/e2e
counted_is 0 || die "counted: $(events | jq -c '.[] | select(.event == 10041 or .event == 20030)')"
say "not counted so far: wrong password, su by root, ssh by key, sudo without or with another's password, cron"

with_password "$KNOWN" ssh_as password true || die "ssh with the password: $(tail -n 3 "$WORK/sshd.log")"
noticed sshd $((N += 1))
with_password "$KNOWN" ssh_as keyboard-interactive true || die "ssh, keyboard-interactive"
until_true 70 counted_is $((N += 1)) || die "ssh, keyboard-interactive, is not counted"
[ "$(printf '%s\n' "$KNOWN" | setpriv --reuid=contoso --regid=contoso --clear-groups sudo -S -k -p '' id -un)" = root ] || die "sudo as contoso"
noticed sudo $((N += 1))
mkfifo "$WORK/console"
script -qfec 'login contoso' "$WORK/typescript" <"$WORK/console" >/dev/null 2>&1 &
SCRIPT=$!
exec 7>"$WORK/console"
until_true 20 grep -q 'Password' "$WORK/typescript" || die "login does not ask: $(cat "$WORK/typescript")"
printf '%s\n' "$KNOWN" >&7
noticed login $((N += 1))
printf 'exit\n' >&7
exec 7>&-
wait "$SCRIPT" || true
opens "$KNOWN" contoso
until_true 70 counted_is $((N += 1)) || die "su is not counted: $(counted) instead of $N"

# ---- bad input -----------------------------------------------------------------------------------
told=0
as_nobody env PAM_TYPE=auth PAM_USER=contoso PAM_SERVICE=su "$BIN/lapwing-agent" pam notify --state "$WORK/state" 2>"$WORK/said" || told=$?
[ "$told" = 3 ] && grep -q not_allowed "$WORK/said" || die "an unprivileged hook: exit $told, $(cat "$WORK/said")"
as_nobody bash -c "exec 3<>'$WORK/state/agent.sock'" 2>/dev/null && die "nobody can open the socket"
counted_is "$N" || die "an unprivileged hook was counted"
say "an unprivileged hook is refused"

# ---- what the server shows -----------------------------------------------------------------------
lapwing device show "$DEVICE" | tee "$WORK/shown"
grep -q 'account contoso through' "$WORK/shown" && grep -q 'not yet, due' "$WORK/shown" || die "device show"
lapwing audit list --device "$DEVICE" >"$WORK/audit"
grep -q 'read by admin' "$WORK/audit" || die "a use is not paired with its read: $(cat "$WORK/audit")"
grep -q 'used: ' "$WORK/audit" || die "a read is not paired with its use: $(cat "$WORK/audit")"
say "the server pairs reads and uses"

# ---- nobody waits for the agent ------------------------------------------------------------------
# longest COMMAND...: the longest of 20 runs, in milliseconds.
longest() {
    local most=0 began took
    for _ in $(seq 20); do
        began=${EPOCHREALTIME/./}
        "$@"
        took=$(((${EPOCHREALTIME/./} - began) / 1000))
        [ "$took" -le "$most" ] || most=$took
    done
    echo "$most"
}
hook() { PAM_TYPE=auth PAM_USER=walker PAM_SERVICE=e2e "$BIN/lapwing-agent" pam notify --state "$WORK/state" || die "the hook fails"; }
# in_time WHAT: what the hook takes beyond what starting a program takes here and now. A machine that has better to do
# holds both: the best of five rounds counts.
in_time() {
    local took start
    for _ in 1 2 3 4 5; do
        start=$(longest /bin/true)
        took=$(longest hook)
        [ $((took - start)) -gt 100 ] || { TIMES+=("$1 $took ms (starting a program: $start ms)"); return; }
    done
    die "a sign-in waits for more than 100 ms, agent $1: $took ms, starting a program takes $start ms"
}
TIMES=()
in_time alive
kill -STOP "$AGENT"
in_time stopped
opens "$KNOWN" contoso || die "su while the agent is stopped"
kill -CONT "$AGENT"
until_true 70 counted_is $((N += 1)) || die "the sign-in while the agent was stopped: $(counted) instead of $N"
agent_stop
in_time dead
opens "$KNOWN" contoso || die "su while the agent is dead"
say "the hook takes at most: agent ${TIMES[0]}, ${TIMES[1]}, ${TIMES[2]}"

# ---- the deadline, action 11 ---------------------------------------------------------------------
# A session with a child of its own, and a process that left its session. There is no logind.
printf '%s\n' "$KNOWN" | as_nobody su -c 'setsid -f sleep 2222; sleep 1111' contoso >/dev/null 2>&1 &
until_true 20 pgrep -f '^sleep 2222' && until_true 20 pgrep -f '^sleep 1111' || die "no session"
agent_start
until_true 70 counted_is $((N += 2)) || die "sign-ins while the agent was dead: $(counted) instead of $N"
deadline_passes "$(id -u contoso)"
! opens "$FORMER" contoso || die "the used password still opens the account"
until_true 20 seen_event 20034 || die "nobody was warned"
pgrep -f '^sleep 1111' >/dev/null || die "the session ended before the two minutes"
say "reset at the deadline; the session is warned and goes on"
warning_passes 1
! pgrep -f '^sleep 1111' && ! pgrep -f '^sleep 2222' || die "processes of contoso are left"
kill -0 "$SSHD" || die "sshd was ended"
say "action 11: session and detached process are gone"

# ---- logind, actions 3 and 5 ---------------------------------------------------------------------
BUS=unix:path=/run/e2e-bus
dbus-daemon --session --nofork --nopidfile --nosyslog --address="$BUS" &
STARTED+=($!)
until_true 10 test -S /run/e2e-bus
DBUS_SYSTEM_BUS_ADDRESS=$BUS /usr/bin/python3 -m dbusmock --system --template logind -l "$WORK/logind.log" >"$WORK/logind.out" 2>&1 &
STARTED+=($!)
mock() { busctl --address="$BUS" call org.freedesktop.login1 /org/freedesktop/login1 "$@"; }
until_true 20 mock org.freedesktop.login1.Manager ListSessions || die "no mock of logind: $(cat "$WORK/logind.out")"
mock org.freedesktop.DBus.Mock AddSession ssusb 7 seat0 "$(id -u contoso)" contoso true >/dev/null
export DBUS_SYSTEM_BUS_ADDRESS=$BUS
agent_stop && agent_start
until_true 30 seen_event 20032 || die "the second witness does not see logind's session"
waits_for "$(id -u contoso)" && die "a session of logind started the clock"
actions 3
opens "$KNOWN" contoso
deadline_passes "$(id -u contoso)"
warning_passes 2
grep -q 'TerminateSession "7"' "$WORK/logind.log" || die "logind was not asked to end the session: $(tail -n 5 "$WORK/logind.log")"
actions 5
opens "$KNOWN" contoso
deadline_passes "$(id -u contoso)"
! grep -q Reboot "$WORK/logind.log" || die "restarted before its minute"
warning_passes 3
grep -q 'Reboot' "$WORK/logind.log" || die "logind was not asked to restart: $(tail -n 5 "$WORK/logind.log")"
[ ! -e "$WORK/shutdown-was-called" ] || die "shutdown was called beside logind"
unset DBUS_SYSTEM_BUS_ADDRESS
say "logind (a mock): a session without a sign-in is told and starts nothing; actions 3 and 5 go through it"

# ---- uid 0, action 11 ----------------------------------------------------------------------------
sleep 4242 &
SERVICE=$!
STARTED+=("$SERVICE")
agent_stop && agent_start
grep -v 'AdministratorAccountName' "$here/data/sign-in.xml" | grep -v '<Data>contoso<' >"$WORK/root.xml"
lapwing policy import "$WORK/root.xml" --name e2e
lapwing_agent cycle --state "$WORK/state" >/dev/null
until_true 60 new_password || die "root is not managed: $(lapwing explain "$DEVICE")"
KNOWN=$(password)
printf '%s\n' "$KNOWN" | as_nobody su -c 'sleep 6666 & setsid sleep 7777 & sleep 5555' root >/dev/null 2>&1 &
until_true 20 pgrep -f '^sleep 7777' && until_true 20 pgrep -f '^sleep 5555' || die "no session of root"
deadline_passes 0
warning_passes 4
for each in 5555 6666 7777; do ! pgrep -f "^sleep $each" || die "sleep $each of root's session is left"; done
kill -0 "$SERVICE" && kill -0 "$SSHD" && kill -0 "$AGENT" && kill -0 1 || die "a service, the agent or PID 1 was ended"
say "uid 0, action 11: what descends from the sign-in is gone; services, agent and PID 1 are not"

# ---- a use that nobody read ----------------------------------------------------------------------
lapwing password rotate "$DEVICE" --wait
PAM_TYPE=auth PAM_USER=root PAM_SERVICE=found-on-a-note "$BIN/lapwing-agent" pam notify --state "$WORK/state"
used_unread() { lapwing audit list --device "$DEVICE" | grep -q 'USED, NOT READ'; }
until_true 70 used_unread || die "a use without a read is not shown"
lapwing password rotate "$DEVICE" --wait
lapwing password get "$DEVICE" >/dev/null
lapwing audit list --device "$DEVICE" | grep -q 'read, not used' || die "a read without a use is not shown"
lapwing audit verify
say "a use without a read and a read without a use are shown"

#!/usr/bin/env bash
# End to end, as root, with the machine's own PAM: a private mount namespace in which a copy of /etc stands over /etc,
# a real server, a real agent, and `su` by an unprivileged uid with the password that retrieval printed.
# The agent sees the file system as its unit has it: read-only but for ReadWritePaths and its state.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/own-etc.sh" "$@"

useradd -M -s /bin/sh contoso
printf 'contoso:%s\n' 'before-Lapwing-1' | chpasswd

opens 'before-Lapwing-1' contoso || die "the harness itself: su does not take the first password"
! opens 'wrong' contoso || die "the harness itself: su takes a wrong password"

# The agent, with the file system as packaging/systemd/lapwing-agent.service leaves it.
exec_agent() {
    exec unshare --mount bash -euc '
        state=$1 unit=$2; shift 2
        mkdir -p "$state"; mount --bind "$state" "$state"
        writable=" $state $(sed -n "s/^ReadWritePaths=//p" "$unit") "
        while read -r point; do
            case $point in /proc* | /sys* | /dev*) continue ;; esac
            case $writable in *" $point "*) continue ;; esac
            mount -o remount,bind,ro "$point"
        done < <(awk "{print \$5}" /proc/self/mountinfo | sort -u)
        ! touch /usr/.lapwing-e2e 2>/dev/null
        exec "$@"' _ "$WORK/state" "$here/../packaging/systemd/lapwing-agent.service" "$BIN/lapwing-agent" "$@"
}

server_up
policy_up "$here/data/contoso.xml"
agent_up
until_true 30 password || die "no password after 30 s: $(lapwing explain "$DEVICE")"
first=$(password)
opens "$first" contoso || die "the password that retrieval printed does not open the account"
! opens 'before-Lapwing-1' contoso || die "the password from before still opens the account"
say "first password: opens the account through su and PAM, the one from before does not"

began=$SECONDS
lapwing password rotate "$DEVICE" --wait
[ $((SECONDS - began)) -le 10 ] || die "rotate now took $((SECONDS - began)) s"
second=$(password)
[ "$first" != "$second" ] || die "the password did not change"
opens "$second" contoso || die "the second password does not open the account"
! opens "$first" contoso || die "the former password still opens the account"
say "rotated in $((SECONDS - began)) s: the new one opens the account, the former one does not"
lapwing audit verify
say "audit chain verified"

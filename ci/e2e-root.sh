#!/usr/bin/env bash
# End to end, as root, with the machine's own PAM: a private mount namespace in which a copy of /etc stands over /etc,
# a real server, a real agent, and `su` by an unprivileged uid with the password that retrieval printed.
# The agent sees the file system as its unit has it: read-only but for ReadWritePaths and its state.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ "${1:-}" != inside ]; then
    . "$here/lib.sh"
    export BIN=${BIN:-$TARGET/debug} WORK=$TARGET/ci/e2e-root
    rm -rf "$WORK" && mkdir -p "$WORK"
    # A process namespace too: nothing that was started outlives the script.
    exec unshare --mount --pid --fork --kill-child --mount-proc bash "$0" inside
fi
. "$here/fleet.sh"

cp -a /etc "$WORK/etc"
mount --bind "$WORK/etc" /etc
install -m 644 "$here/../packaging/pam/lapwing" /etc/pam.d/lapwing
useradd -M -s /bin/sh contoso
printf 'contoso:%s\n' 'before-Lapwing-1' | chpasswd

# opens PASSWORD: does it open the account, by a real su through the system's PAM, asked by nobody (uid 65534)?
# printf is a builtin: the password is in no argument list.
opens() {
    [ "$(printf '%s\n' "$1" | setpriv --reuid=65534 --regid=65534 --clear-groups su -c 'id -un' contoso 2>/dev/null)" = contoso ]
}
opens 'before-Lapwing-1' || die "the harness itself: su does not take the first password"
! opens 'wrong' || die "the harness itself: su takes a wrong password"

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
opens "$first" || die "the password that retrieval printed does not open the account"
! opens 'before-Lapwing-1' || die "the password from before still opens the account"
say "first password: opens the account through su and PAM, the one from before does not"

began=$SECONDS
lapwing password rotate "$DEVICE" --wait
[ $((SECONDS - began)) -le 10 ] || die "rotate now took $((SECONDS - began)) s"
second=$(password)
[ "$first" != "$second" ] || die "the password did not change"
opens "$second" || die "the second password does not open the account"
! opens "$first" || die "the former password still opens the account"
say "rotated in $((SECONDS - began)) s: the new one opens the account, the former one does not"
lapwing audit verify
say "audit chain verified"

#!/usr/bin/env bash
# Automatic account management end to end, as root, with the machine's own PAM: in a private mount namespace a copy
# of /etc stands over /etc. A real server sends the five settings by SyncML; the real agent makes the account; `su` by
# an unprivileged uid opens it with the password that retrieval printed; a rotation renames it; when policy leaves,
# it is deleted and its last password is shown as no longer rotated.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/own-etc.sh" "$@"

getent group sudo >/dev/null || groupadd -r sudo
# Another administrator that works: without one the agent would keep its account when policy leaves.
useradd -M -s /bin/sh -G sudo standby
printf 'standby:%s\n' 'Standby-1' | chpasswd

# The managed account's name and uid: its description says who made it.
managed() { awk -F: '$5 == "Local administrator managed by Lapwing" {print $1, $3}' /etc/passwd; }
opens 'Standby-1' standby || die "the harness itself: su does not take the password"

server_up
policy_up "$here/data/automatic.xml"
agent_up
until_true 30 password || die "no password after 30 s: $(lapwing explain "$DEVICE")"
first=$(password)
read -r name uid <<<"$(managed)"
[[ $name =~ ^ContosoAdmin[0-9]{6}$ ]] || die "the account is called '$name'"
id -nG "$name" | grep -qw sudo || die "$name is no administrator: $(id "$name")"
opens "$first" "$name" || die "the password that retrieval printed does not open $name"
! getent passwd ContosoLocalLapsAdmin >/dev/null || die "AdministratorAccountName is not ignored"
say "made: $name (uid $uid), opened by su with the password that retrieval printed"

lapwing password rotate "$DEVICE" --wait
second=$(password)
read -r renamed uid_after <<<"$(managed)"
[ "$renamed" != "$name" ] && [ "$uid" = "$uid_after" ] || die "renamed to '$renamed', uid $uid_after"
opens "$second" "$renamed" || die "the second password does not open $renamed"
! getent passwd "$name" >/dev/null || die "$name is still there"
! grep -rq "$name" /etc/passwd /etc/shadow /etc/group /etc/gshadow || die "lines of $name are left"
say "rotated: $renamed has the same uid, is opened by the new password, and nothing of $name is left"

# Kept in shape: another hand locks it and takes it out of the group. That is drift, so that it is rotated too.
passwd -q -l "$renamed"
gpasswd -d "$renamed" sudo >/dev/null
lapwing_agent cycle --state "$WORK/state" || die "the cycle failed"
again=$(managed | cut -d' ' -f1)
id -nG "$again" | grep -qw sudo || die "it is not in the group again"
third=$(password)
[ "$third" != "$second" ] || die "the password was not changed"
opens "$third" "$again" || die "it is not opened again"
say "kept in shape: enabled and in the group again, with a new password"

lapwing policy unassign e2e
no_account() { [ -z "$(managed)" ]; }
until_true 60 no_account || die "the account is still there: $(managed)"
[ "$(password)" = "$third" ] || die "the last password is not readable"
lapwing password get "$DEVICE" 2>&1 | grep -q 'no longer rotated' || die "it is not shown as released"
opens 'Standby-1' standby || die "another account was touched"
say "policy left: the account is deleted, its last password is readable and marked"
lapwing audit verify

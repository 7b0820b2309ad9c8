#!/usr/bin/env bash
# The first real installation, as README has it: the three packages in a fresh Debian (debootstrap, in a chroot), then
# its three commands. Needs root; `ci/e2e-debs.sh prepare` downloads the Debian from a mirror and keeps it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Binaries need the C library of the system that they were built on.
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
tarball=$LOGS/debootstrap-$suite.tar
tree=$LOGS/chroot

if [ "${1:-}" = prepare ]; then
    [ -s "$tarball" ] && exit 0
    rm -rf "$tree"
    debootstrap --variant=minbase --include=libpam-modules,passwd,login,jq,libgssapi-krb5-2 "$suite" "$tree"
    tar -C "$tree" -cf "$tarball.new" --one-file-system .
    mv "$tarball.new" "$tarball"
    exit 0
fi

if [ "${1:-}" != inside ]; then
    bash "$0" prepare
    # PACKAGES_MADE: they are in dist/ already, made from this tree.
    [ -n "${PACKAGES_MADE:-}" ] || cargo xtask dist $(has_kerberos && echo --active-directory)
    rm -rf "$tree"
    mkdir "$tree" && tar -C "$tree" -xf "$tarball"
    echo '127.0.0.1 localhost' >"$tree/etc/hosts"
    mkdir "$tree/packages"
    cp dist/*.deb "$tree/packages/"
    exec unshare --mount --pid --fork --kill-child bash "$0" inside
fi

mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
in_chroot() { chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }

# A fresh debootstrap has its root locked, and Lapwing keeps lock marks: this one may sign in.
printf 'root:before-Lapwing-1\n' | in_chroot chpasswd
in_chroot sh -c 'dpkg -i /packages/*.deb'

# The three commands; each prints the next.
in_chroot lapwingd init --quick --yes --data /var/lib/lapwingd --hostname localhost | tee "$LOGS/quick.out"
join=$(grep -m1 -o 'lapwing-agent join .*' "$LOGS/quick.out")
in_chroot sh -c "$join" | tee "$LOGS/join.out"
get=$(grep -m1 -o 'lapwing password get .*' "$LOGS/join.out")
# A person at a terminal, who signs in first: user name, one-time secret, the new password twice.
once=$(grep -m1 -o 'lapwing-once\.[^ ]*' "$LOGS/quick.out")
for answer in admin "$once" 'correct horse battery' 'correct horse battery'; do
    echo "$answer"
done | in_chroot script -qec "$get >/tmp/password" /dev/null
password=$(cat "$tree/tmp/password") && rm "$tree/tmp/password"

# Root's own password is what is managed: su by an unprivileged uid opens it.
in_chroot useradd -M -s /bin/sh walker
uid=$(in_chroot id -u walker)
who=$(printf '%s\n' "$password" | in_chroot setpriv --reuid="$uid" --regid="$uid" --clear-groups su -c 'id -un' root)
[ "$who" = root ] || { echo "the password does not open root: $who"; exit 1; }
echo "three commands, and the password opens root"

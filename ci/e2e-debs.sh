#!/usr/bin/env bash
# The first real installation, as README has it: the three packages in a fresh Debian (debootstrap, in a chroot), then
# its three commands. Needs root and a Debian mirror.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

if [ "${1:-}" != inside ]; then
    cargo xtask dist
    # Binaries need the C library of the system that they were built on.
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    tarball=$LOGS/debootstrap-$suite.tar
    tree=$LOGS/chroot
    rm -rf "$tree"
    if [ ! -s "$tarball" ]; then
        debootstrap --variant=minbase --include=libpam-modules,passwd,login,jq "$suite" "$tree"
        tar -C "$tree" -cf "$tarball" --one-file-system .
    else
        mkdir "$tree" && tar -C "$tree" -xf "$tarball"
    fi
    mkdir "$tree/packages"
    cp dist/*.deb "$tree/packages/"
    exec unshare --mount --pid --fork --kill-child bash "$0" inside "$tree"
fi

tree=$2
mount -t proc proc "$tree/proc"
mount --bind /dev "$tree/dev"
in_chroot() { chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }

in_chroot sh -c 'dpkg -i /packages/*.deb'

# The three commands; each prints the next. The first one serves, so it stays in the background here.
in_chroot lapwingd init --quick --yes --hostname localhost >"$LOGS/quick.out" 2>"$LOGS/quick.err" &
until grep -q '^lapwing-agent join ' "$LOGS/quick.out" && (exec 3<>/dev/tcp/127.0.0.1/8443) 2>/dev/null; do
    kill -0 $! || { cat "$LOGS/quick.err"; exit 1; }
    sleep 0.2
done
cat "$LOGS/quick.out"
join=$(grep '^lapwing-agent join ' "$LOGS/quick.out")
in_chroot sh -c "$join" >"$LOGS/join.out"
cat "$LOGS/join.out"
get=$(grep '^lapwing password get ' "$LOGS/join.out")

# The first `lapwing password get` signs the administrator in, with the one-time secret; here without a terminal.
secret=$(grep -o 'lapwing-once\.[^ ]*' "$LOGS/quick.out")
printf 'A password of %s own\n' "$RANDOM$RANDOM" >"$tree/root/password"
printf '%s\n' "$secret" | in_chroot lapwing --server https://localhost:8443 --ca /var/lib/lapwingd/keys/ca.crt \
    login --here --user admin --secret-file - --new-password-file /root/password
password=$(in_chroot sh -c "$get")

# Root's own password is what is managed: su by an unprivileged uid opens it.
in_chroot useradd -M -s /bin/sh walker
uid=$(in_chroot id -u walker)
who=$(printf '%s\n' "$password" | in_chroot setpriv --reuid="$uid" --regid="$uid" --clear-groups su -c 'id -un' root)
[ "$who" = root ] || { echo "the password does not open root: $who"; exit 1; }
echo "three commands, and the password opens root"

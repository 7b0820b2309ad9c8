# Sourced with the script's own arguments by end-to-end scripts that run as root: . "$here/own-etc.sh" "$@"
# The first time, the script starts again in private mount and process namespaces; there a copy of /etc stands over
# /etc, with Lapwing's PAM service in it, and what fleet.sh offers is at hand. Nothing of the machine is changed.
# shellcheck shell=bash
if [ "${1:-}" != inside ]; then
    . "$here/lib.sh"
    script=$(basename "$0")
    export BIN=${BIN:-$TARGET/debug} WORK=$TARGET/ci/${script%.sh}
    rm -rf "$WORK" && mkdir -p "$WORK"
    # A process namespace too: nothing that was started outlives the script.
    exec unshare --mount --pid --fork --kill-child --mount-proc bash "$here/$script" inside
fi
. "$here/fleet.sh"

cp -a /etc "$WORK/etc"
mount --bind "$WORK/etc" /etc
install -m 644 "$here/../packaging/pam/lapwing" /etc/pam.d/lapwing

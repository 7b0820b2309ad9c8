#!/usr/bin/env bash
# What is packaged beside the binaries. The PAM service asks pam_unix and nothing else (the system's own stack may
# send a password to a network server). The systemd units are well-formed, and exposed no more than the thresholds below (systemd-analyze's scale of 0 to 10,
# times ten). The binaries need not be installed: a stand-in that exists takes their place.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
declare -A most=([lapwingd]=15 [lapwing-agent]=30)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for unit in "${!most[@]}"; do
    from=packaging/systemd/$unit.service
    sed "s|^ExecStart=/usr/bin/$unit|ExecStart=/bin/true|" "$from" >"$scratch/$unit.service"
    grep -q '^ExecStart=/bin/true' "$scratch/$unit.service"
    # No core file holds a password (rotation.md 4, I3).
    grep -qx 'LimitCORE=0' "$from"
    systemd-analyze verify --man=no "$scratch/$unit.service" 2>&1 | tee "$scratch/said"
    if [ -s "$scratch/said" ]; then echo "$unit: systemd-analyze verify has something to say"; exit 1; fi
    systemd-analyze security --no-pager --offline=true --threshold="${most[$unit]}" "$from" | tail -n 1
done

cmp packaging/pam/lapwing <(printf 'auth required pam_unix.so nodelay\naccount required pam_unix.so\n')
for script in packaging/debian/*; do sh -n "$script"; done

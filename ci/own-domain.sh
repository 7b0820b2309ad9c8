# Sourced behind own-etc.sh by end-to-end scripts that want an Active Directory domain (testkit/ad-lab): what it is made of is
# in $lab, the domain in $dir, its facts in LAB_…; it goes with the script. `domain_up` starts it and makes this machine one
# that sees it: name server, hosts, Kerberos; $WORK/password has the password of its accounts.
# shellcheck shell=bash
lab=$here/../testkit/ad-lab
# A short path: the sockets below it have long names.
dir=$(mktemp -d /tmp/lapwing-ad.XXXX)
trap 'bash "$lab/samba-ad" down "$dir" 2>/dev/null; rm -rf "$dir"; stop_all' EXIT

domain_up() {
    bash "$lab/samba-ad" up "$dir" >"$WORK/lab.env"
    set -a
    . "$WORK/lab.env"
    set +a
    printf 'nameserver %s\nsearch %s\n' "$LAB_DC_IP" "$LAB_DNS_DOMAIN" >/etc/resolv.conf
    printf '127.0.0.1 localhost\n%s %s\n' "$LAB_DC_IP" "$LAB_DC_HOST" >/etc/hosts
    cp "$KRB5_CONFIG" /etc/krb5.conf
    unset KRB5_CONFIG
    printf '%s\n' "$LAB_PASSWORD" >"$WORK/password"
    chmod 600 "$WORK/password"
}

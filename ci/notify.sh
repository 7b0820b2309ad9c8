#!/usr/bin/env bash
# People are told of reads: by mail at a real SMTP server, by syslog at a real rsyslog, both inside TLS with a CA of the
# test's own, and by a webhook. Needs python3-aiosmtpd, rsyslog and rsyslog-gnutls; installs them as root on Debian.
set -uo pipefail
# shellcheck source=ci/lib.sh
. "$(dirname "$0")/lib.sh"

/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || install_packages python3-aiosmtpd ||
    skip 'mail at a real server' 'python3-aiosmtpd is not installed'
if ! [ -x /usr/sbin/rsyslogd ] || ! compgen -G '/usr/lib/*/rsyslog/lmnsd_gtls.so' >/dev/null; then
    install_packages rsyslog rsyslog-gnutls || skip 'syslog at a real rsyslog' 'rsyslog and rsyslog-gnutls are not installed'
fi
step 'notices of reads' cargo nextest run -p lapwing-server -E 'test(notify::)' --no-capture
finish

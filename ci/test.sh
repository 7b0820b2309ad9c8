#!/usr/bin/env bash
# The one test command (`make test`); CI calls the same. It installs from Debian what is missing when it is root,
# runs everything, and ends with counts and with what could not run here and why.
# `ci/test.sh lint` runs the quick part only.
set -u
. "$(dirname "$0")/lib.sh"

need cc build-essential || { echo "a C compiler is needed (Debian: build-essential)"; exit 2; }
need cargo cargo || { echo "cargo is needed, Rust 1.95 or later: https://rustup.rs"; exit 2; }
need git git || true

# Without the headers everything but Active Directory is built and tested.
has_kerberos || install_packages libkrb5-dev libclang-dev || true
choose_features
has_kerberos || skip "Active Directory" "libkrb5-dev or libclang-dev is missing and could not be installed"

# What later steps install or download comes while the first ones compile, one after the other: packages have one lock.
# Each of those steps asks for its own again, and says what could not be had.
namespaces() { unshare --mount --pid --fork true 2>/dev/null; }
ahead() {
    install_packages strace jq login libpam-modules procps iproute2 curl openssl systemd dpkg debootstrap \
        chromium chromium-driver libnss3-tools fonts-dejavu-core python3-aiosmtpd rsyslog rsyslog-gnutls \
        python3-venv nodejs npm krb5-user adcli ldap-utils
    is_root && command -v apt-get >/dev/null && apt-get install -qq -y --no-install-recommends --download-only \
        samba-ad-dc samba-ad-provision python3-samba ldb-tools libsasl2-modules-gssapi-mit python3-gssapi python3-cryptography
    bash ci/dpapi-ng.sh
    bash ci/clients.sh install
    bash ci/oidc.sh install
    is_root && namespaces && bash ci/e2e-debs.sh prepare
}
if [ "${1:-}" != lint ]; then
    ahead >"$LOGS/ahead.log" 2>&1 &
    AHEAD=$!
fi

# Those of the benchmarks and the fuzz targets too: what is not built here shows by its lock file that it fell behind.
fetch() {
    local each
    for each in Cargo.toml bench/Cargo.toml fuzz/Cargo.toml; do
        cargo fetch --locked --manifest-path "$each" || { sleep 5; cargo fetch --locked --manifest-path "$each"; } || return 1
    done
}
step "dependencies" fetch || finish

step "format" cargo fmt --all --check
step "clippy" cargo clippy "${HOUSE[@]}" --all-targets --locked -- -D warnings
# The build of a machine with Rust and nothing else.
step "without Active Directory" cargo check --locked -p lapwing-agent -p lapwing-cli
step "dependency rules" cargo xtask check-deps
step "rules and their tests" cargo xtask check-rules
step "generated files" cargo xtask generate --check
[ "${1:-}" = lint ] && finish

if command -v cargo-deny >/dev/null; then
    step "bans, licences, sources" cargo deny --offline --locked check bans licenses sources
else
    skip "bans, licences, sources" "cargo-deny is not installed (cargo install cargo-deny)"
fi
skip "advisories" "their database is a download; run: cargo deny check advisories"

wait "$AHEAD"
# One test looks at system calls.
need strace strace || true
# Blobs go both ways between us and the Python package dpapi-ng: a download, kept under the target folder.
if LAPWING_DPAPI_NG_PYTHON=$(bash ci/dpapi-ng.sh 2>"$LOGS/dpapi-ng-install.log"); then
    export LAPWING_DPAPI_NG_PYTHON
else
    unset LAPWING_DPAPI_NG_PYTHON
    skip "blobs both ways with dpapi-ng" "$(tail -n 1 "$LOGS/dpapi-ng-install.log")"
fi
# The admin centre in a real browser; its pictures are output of the run.
need chromium chromium && need chromedriver chromium-driver && need certutil libnss3-tools && install_packages fonts-dejavu-core || true
export LAPWING_SCREENSHOTS=$LOGS/screenshots
# Notices of reads go to a real mail server and a real rsyslog.
/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || install_packages python3-aiosmtpd || true
[ -x /usr/sbin/rsyslogd ] || install_packages rsyslog rsyslog-gnutls || true
# Blobs and structures that Windows made; not part of the repository.
[ ! -d ../shared/data/dpapi-ng-vectors ] || export LAPWING_DPAPI_NG_VECTORS=$ROOT/../shared/data/dpapi-ng-vectors
# A test that cannot do its work here says "SKIPPED name: reason"; ignored tests are children that others start.
tests_log=$LOGS/unit-and-integration-tests.log
step "build of the tests" cargo test "${HOUSE[@]}" --locked --no-run --lib --bins --tests
# The simulator in the same command as the programs: by itself it would choose other features, and build the server once
# more.
RELEASED=("${DAEMONS[@]}" --package lapwing-testkit)
# The release build takes what the tests leave of the machine; the step that needs it waits for it. It is the longest
# one of a cold run, and much of what comes before it waits for the network, for sleep or for a domain.
{
    nice -n 19 cargo build --release --locked "${RELEASED[@]}"
} >"$LOGS/release-ahead.log" 2>&1 &
if command -v cargo-nextest >/dev/null; then
    step "unit and integration tests" cargo nextest run "${HOUSE[@]}" --locked --lib --bins --tests --no-fail-fast --status-level fail --success-output final
    count "tests: $(grep -h 'Summary' "$tests_log" | tail -n 1 | sed 's/^ *Summary *//')"
else
    step "unit and integration tests" cargo test "${HOUSE[@]}" --locked --no-fail-fast --lib --bins --tests -- --show-output
    count "tests: $(awk '/^test result:/ {p += $4; f += $6; i += $8} END {print p + 0, "passed,", f + 0, "failed,", i + 0, "ignored (children of others)"}' "$tests_log")"
fi
while read -r line; do count "dpapi-ng: $line"; done < <(grep -ho '[0-9]* blobs each way' "$tests_log" | sort -u)
# Those that want a domain are run with one, further down.
skipped_of() { sed -n 's/^ *SKIPPED //p' "$1" | sort -u; }
while IFS=: read -r name reason; do
    skip "test $name" "${reason# }"
done < <(skipped_of "$tests_log" | { if has_kerberos && is_root; then grep -v 'ci/e2e-ad.sh starts one'; else cat; fi; })

# End to end, with the binaries that were built for the tests.
if ! need jq jq; then
    for each in "end to end as root" "no password leaks" "other people's clients"; do skip "$each" "jq is missing and could not be installed"; done
else
    # With the tests named too: without them Cargo would choose other features and compile nearly everything again.
    step "binaries" cargo build "${HOUSE[@]}" --lib --bins --tests --locked
    if ! is_root || ! namespaces; then
        skip "end to end as root" "needs root and the right to make a mount namespace"
    elif ! need su login libpam-modules; then
        skip "end to end as root" "su is missing and could not be installed"
    else
        step "end to end as root" bash ci/e2e-root.sh
        step "automatic account end to end" bash ci/e2e-automatic.sh
        if ! command -v apt-get >/dev/null || ! need pgrep procps || ! need ip iproute2; then
            skip "sign-ins, end to end" "apt-get, pgrep or ip is missing"
        else
            step "sign-ins, end to end" bash ci/e2e-sign-in.sh
            count "sign-ins: $(sed -n 's/^ *[0-9]* s  \(the hook takes\)/\1/p' "$LOGS/sign-ins--end-to-end.log")"
        fi
    fi
    # A real Samba domain; the group keys come from the stand-in of the test domain (testkit/ad-lab/README.md).
    if ! has_kerberos; then
        skip "Active Directory with a domain" "built without it, see above"
    elif ! is_root || ! namespaces; then
        skip "Active Directory with a domain" "needs root and the right to make a mount namespace"
    elif ! install_packages krb5-user adcli ldap-utils && ! command -v adcli >/dev/null; then
        skip "Active Directory with a domain" "krb5-user, adcli or ldap-utils is missing and could not be installed"
    else
        step "Active Directory with a domain" bash ci/e2e-ad.sh
        ad_log=$LOGS/-ctive--irectory-with-a-domain.log
        count "with a domain: $(grep -h 'Summary' "$ad_log" | sed 's/^ *Summary *//' | paste -sd '|' | sed 's/|/; /g')"
        while IFS=: read -r name reason; do skip "test $name" "${reason# }"; done < <(skipped_of "$ad_log")
        step "agent and domain, end to end" bash ci/e2e-ad-agent.sh
    fi
    step "no password leaks" bash ci/canary.sh
    # Downloads from the indexes of Python and Node; kept under the target folder.
    if bash ci/clients.sh install >"$LOGS/clients-install.log" 2>&1; then
        step "other people's clients" env BIN="$TARGET/debug" bash ci/clients.sh
        while read -r line; do count "other people's clients, $line"; done < <(grep -E '^(python|node): ' "$LOGS/other-people-s-clients.log")
    else
        skip "other people's clients" "$(tail -n 1 "$LOGS/clients-install.log")"
    fi
    if bash ci/oidc.sh install >"$LOGS/oidc-install.log" 2>&1; then
        step "sign-in with a foreign OpenID provider" env BIN="$TARGET/debug" bash ci/oidc.sh
    else
        skip "sign-in with a foreign OpenID provider" "$(tail -n 1 "$LOGS/oidc-install.log")"
    fi
fi

skip "LAPS4LINUX, both directions" "it is GPL and on no registry; with a checkout of it: make interop LAPS4LINUX=DIR"

step "doc tests" cargo test "${HOUSE[@]}" --locked --doc
count "doc tests: $(awk '/^test result:/ {p += $4} END {print p + 0, "passed"}' "$LOGS/doc-tests.log")"
step "documentation" env RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc "${HOUSE[@]}" --locked --no-deps --document-private-items

# The fuzz targets' own checks run over the corpus and seeded mutations in the tests of proto and dpapi; this is the engine.
if command -v cargo-fuzz >/dev/null && cargo +nightly --version >/dev/null 2>&1; then
    fuzz() {
        for target in dpapi_blob group_key laps_value locuri registry_pol rpc syncml; do
            mkdir -p "$LOGS/corpus/$target" # what it finds goes here, and not into the checked-in corpus
            cargo +nightly fuzz run "$target" "$LOGS/corpus/$target" "fuzz/corpus/$target" -- -max_total_time=20 -seed=1 || return 1
        done
    }
    step "fuzz targets, 20 s each" fuzz
else
    skip "coverage-guided fuzzing" "cargo-fuzz or a nightly toolchain is missing; corpus and seeded mutations ran as tests"
fi

if need systemd-analyze systemd; then
    step "units and PAM service" bash ci/packaging.sh
else
    skip "units and PAM service" "systemd-analyze is missing and could not be installed"
fi

# The release build: the demo as a person without rights, and the packages in a fresh Debian.
if step "release build" cargo build --release --locked "${RELEASED[@]}"; then
    # Rotations under every fault, judged by I1 to I4 of docs/design/rotation.md: fixed seeds, then fresh ones.
    simulation() {
        local fixed fresh=0
        "$TARGET/release/simulate" --runs 1000 &
        fixed=$!
        "$TARGET/release/simulate" --runs 300 --seconds "${SIMULATE_SECONDS:-90}" --start-seed "$(date +%s)0000" || fresh=$?
        wait "$fixed" && [ "$fresh" = 0 ]
    }
    step "simulation" simulation
    while read -r line; do count "$line"; done < <(grep '^simulate:' "$LOGS/simulation.log")
    step "demo, as nobody" bash ci/demo.sh
    if need dpkg-deb dpkg; then
        step "packages" bash ci/packages.sh && export PACKAGES_MADE=1
    else
        skip "packages" "dpkg-deb is missing and could not be installed"
    fi
    step "both sides killed, 500 rotations" env BIN="$TARGET/release" bash ci/soak.sh 500
    while read -r line; do count "$line"; done < <(grep '^soak: ' "$LOGS/both-sides-killed--500-rotations.log" | tail -n 3)
    if ! is_root || ! namespaces; then
        skip "first installation from the packages" "needs root and the right to make a mount namespace"
    elif ! need debootstrap debootstrap || ! need dpkg-deb dpkg; then
        skip "first installation from the packages" "debootstrap or dpkg-deb is missing and could not be installed"
    elif ! bash ci/e2e-debs.sh prepare >"$LOGS/debootstrap.log" 2>&1; then
        skip "first installation from the packages" "no Debian could be had: $(tail -n 1 "$LOGS/debootstrap.log")"
    else
        step "first installation from the packages" bash ci/e2e-debs.sh
    fi
fi

finish

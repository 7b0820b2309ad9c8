# Sourced by the scripts of this folder: steps, counts, and what could not run.
# shellcheck shell=bash
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit 1
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
mkdir -p "$TARGET" && TARGET=$(cd "$TARGET" && pwd)
LOGS=$TARGET/ci
mkdir -p "$LOGS"
PATH=$PATH:$HOME/.cargo/bin:/usr/sbin:/sbin

# Active Directory is a feature that needs the system's Kerberos to build, and libclang to read its headers. Every script
# builds with the same features: DAEMONS are the arguments for the three programs, HOUSE those for everything.
has_kerberos() {
    [ -e /usr/include/gssapi/gssapi.h ] && compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null
}
choose_features() {
    DAEMONS=(-p lapwing-server -p lapwing-agent -p lapwing-cli) HOUSE=(--workspace --exclude lapwing-ad)
    if has_kerberos; then
        DAEMONS+=(--features lapwing-agent/ad,lapwing-cli/ad)
        HOUSE=(--workspace --features lapwing-agent/ad,lapwing-cli/ad)
    fi
}
choose_features

PASSED=0 FAILED=() SKIPPED=() COUNTS=()

is_root() { [ "$(id -u)" = 0 ]; }

# step NAME COMMAND...: runs it, keeps its output in a log, shows the log when it fails.
step() {
    local name=$1 log began=$SECONDS
    shift
    log=$LOGS/${name//[^a-z0-9]/-}.log
    printf '%-34s ' "$name"
    if "$@" >"$log" 2>&1; then
        PASSED=$((PASSED + 1))
        printf 'ok      %4d s\n' $((SECONDS - began))
    else
        FAILED+=("$name")
        printf 'FAILED  %4d s\n' $((SECONDS - began))
        sed 's/^/    /' "$log" | grep -v "^ *\(Compiling\|Checking\|Documenting\|Blocking\) " | tail -n "${LINES_SHOWN:-150}"
        return 1
    fi
}

# skip NAME REASON: named in the list at the end.
skip() {
    printf '%-34s not run: %s\n' "$1" "$2"
    SKIPPED+=("$1: $2")
}

# count TEXT: a line for the counts at the end.
count() { COUNTS+=("$1"); }

APT_UPDATED=
# need COMMAND PACKAGE...: true when COMMAND is there, after trying to install PACKAGE... as root on Debian.
need() {
    local wanted=$1
    shift
    command -v "$wanted" >/dev/null && return 0
    install_packages "$@" || return 1
    command -v "$wanted" >/dev/null
}

install_packages() {
    is_root && command -v apt-get >/dev/null || return 1
    if [ -z "$APT_UPDATED" ]; then
        apt-get update -qq -o DPkg::Lock::Timeout=900 >"$LOGS/apt.log" 2>&1
        APT_UPDATED=1
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=900 "$@" >>"$LOGS/apt.log" 2>&1
}

# Ends the script: counts, what did not run, what failed.
finish() {
    echo
    echo "steps: $PASSED passed, ${#FAILED[@]} failed, ${#SKIPPED[@]} not run; $((SECONDS / 60)) min $((SECONDS % 60)) s"
    for line in "${COUNTS[@]}"; do echo "  $line"; done
    if [ ${#SKIPPED[@]} -gt 0 ]; then
        echo "not run here:"
        for line in "${SKIPPED[@]}"; do echo "  $line"; done
    fi
    if [ ${#FAILED[@]} -gt 0 ]; then
        echo "failed:"
        for line in "${FAILED[@]}"; do echo "  $line"; done
        exit 1
    fi
    exit 0
}

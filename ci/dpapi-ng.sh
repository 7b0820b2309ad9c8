#!/usr/bin/env bash
# Installs the Python package dpapi-ng, unmodified, under the target folder, and says which Python has it; when it cannot
# be had: nothing on standard output, an error, and the reason as the last line on standard error.
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/lib.sh"
VENV=$TARGET/dpapi-ng WANTED=$ROOT/crates/dpapi/tests/it/requirements.txt

missing() {
    echo "$*" >&2
    exit 1
}

need python3 python3 >&2 || missing "python3 is missing and could not be installed"
if ! cmp -s "$WANTED" "$VENV/.installed"; then
    rm -rf "$VENV"
    {
        python3 -m venv "$VENV" || { install_packages python3-venv && rm -rf "$VENV" && python3 -m venv "$VENV"; }
    } >&2 || missing "python3 makes no virtual environment (Debian: python3-venv)"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: \
        --require-hashes --requirement "$WANTED" >&2 || missing "pip could not install dpapi-ng (is its index reachable?)"
    cp "$WANTED" "$VENV/.installed"
fi
echo "$VENV/bin/python"

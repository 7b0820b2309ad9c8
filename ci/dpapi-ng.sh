#!/usr/bin/env bash
# Installs the Python package dpapi-ng, unmodified, under the target folder, and says which Python has it. Nothing on
# standard output and an error when it cannot be had.
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/lib.sh"
VENV=$TARGET/dpapi-ng WANTED=$ROOT/crates/dpapi/tests/it/requirements.txt

need python3 python3 >&2
if ! cmp -s "$WANTED" "$VENV/.installed"; then
    rm -rf "$VENV"
    python3 -m venv "$VENV" >&2 || { install_packages python3-venv && rm -rf "$VENV" && python3 -m venv "$VENV" >&2; }
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: --requirement "$WANTED" >&2
    cp "$WANTED" "$VENV/.installed"
fi
echo "$VENV/bin/python"

#!/usr/bin/env bash
# The server read by other people's clients, unmodified: msal, azure-identity and msgraph-sdk for Python,
# @azure/msal-node, @azure/identity and @microsoft/microsoft-graph-client for Node (testkit/clients). A real server over
# TLS, a real agent, real passwords. No root: the agents manage trees of their own.
# `ci/clients.sh install` only installs the clients, under the target folder; its last line says what is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
SUITE=$ROOT/testkit/clients CLIENTS=$TARGET/clients

missing() {
    echo "$*"
    exit 1
}

# installed STAMP FILE...: whether what these files ask for is there already.
installed() { [ -f "$1" ] && [ "$(cat "${@:2}" | sha256sum)" = "$(cat "$1")" ]; }

install_python() {
    need python3 python3 || missing "python3 is missing and could not be installed"
    installed "$CLIENTS/python/.installed" "$SUITE/requirements.txt" && return
    rm -rf "$CLIENTS/python"
    python3 -m venv "$CLIENTS/python" >"$LOGS/venv.log" 2>&1 ||
        { install_packages python3-venv && rm -rf "$CLIENTS/python" && python3 -m venv "$CLIENTS/python"; } >>"$LOGS/venv.log" 2>&1 ||
        missing "python3 makes no virtual environment (Debian: python3-venv)"
    "$CLIENTS/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: \
        --requirement "$SUITE/requirements.txt" || missing "pip could not install msal, azure-identity and msgraph-sdk (is its index reachable?)"
    sha256sum <"$SUITE/requirements.txt" >"$CLIENTS/python/.installed"
}

install_node() {
    need node nodejs && need npm npm || missing "node and npm are missing and could not be installed"
    [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || missing "node is $(node --version); @azure/identity needs 20 or later"
    installed "$CLIENTS/node/.installed" "$SUITE/package.json" "$SUITE/package-lock.json" && return
    rm -rf "$CLIENTS/node" && mkdir -p "$CLIENTS/node"
    cp "$SUITE/package.json" "$SUITE/package-lock.json" "$SUITE/.npmrc" "$CLIENTS/node/"
    (cd "$CLIENTS/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
        missing "npm could not install the clients of testkit/clients/package.json (is its registry reachable?)"
    cat "$SUITE/package.json" "$SUITE/package-lock.json" | sha256sum >"$CLIENTS/node/.installed"
}

mkdir -p "$CLIENTS"
install_python
install_node
[ "${1:-}" = install ] && exit 0

need jq jq || { echo "jq is missing and could not be installed"; exit 1; }
[ -n "${BIN:-}" ] || cargo build --locked "${DAEMONS[@]}"
export BIN=${BIN:-$TARGET/debug} WORK=$TARGET/ci/clients
rm -rf "$WORK" && mkdir -p "$WORK"
. "$here/fleet.sh"
# What the tests are told holds secrets.
umask 077

server_up
policy_up "$here/data/builtin.xml"

# joined NAME: a machine with its first password set and proven; its id, name and password as JSON.
# The first one's agent keeps running, so that a rotation that is asked for happens.
joined() {
    local tree=$WORK/tree-$1 DEVICE
    tree_up "$tree"
    printf 'ID=debian\nVERSION_ID="13"\n' >"$tree/etc/os-release"
    export STATE=$WORK/state-$1
    agent_join --name "$1" --prefix "$tree" --volatile-ok >&2
    lapwing_agent cycle --state "$STATE" --volatile-ok >&2
    jq -n --arg id "$(lapwing device list --output json | jq -er --arg name "$1" '.[] | select(.displayName == $name).deviceId')" \
        --arg name "$1" --arg password "$(password)" '{$id, $name, $password}'
}
# principal NAME ARGUMENTS...: a program's ids and secret as JSON.
principal() { lapwing principal create "clients-$1" "${@:2}" --output json | jq --arg name "$1" '{($name): .}'; }

for name in pc-1 pc-2 pc-3 pc-4 pc-5 pc-doomed-1 pc-doomed-2; do joined "$name"; done >"$WORK/devices.json"
"$BIN/lapwing-agent" run --state "$WORK/state-pc-1" >>"$WORK/agent.log" 2>&1 &
STARTED+=($!)
{
    principal reader --role "Cloud Device Administrator"
    principal intune --role "Intune Administrator"
    principal helpdesk --role "Helpdesk Administrator"
    principal auditor --role "Security Reader"
    principal hasty --role "Security Reader"
    principal permitted --permission DeviceLocalCredential.Read.All
} >"$WORK/principals.json"

# Two people: one redeems the one-time secret in the browser's form, the other has a password already.
lapwing user create dana --role "Cloud Device Administrator" --output json >"$WORK/dana.json"
lapwing user create robin --role "Cloud Device Administrator" --output json | jq -er .oneTimeSecret >"$HOME/once"
printf 'Robin-chose-this-%s\n' "$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')" >"$HOME/robin"
XDG_CONFIG_HOME=$WORK/robin lapwing --server "$URL" --ca "$CA" login --here --user robin --secret-file "$HOME/once" --new-password-file "$HOME/robin"

jq -n --arg url "$URL" --slurpfile devices "$WORK/devices.json" --slurpfile principals "$WORK/principals.json" \
    --slurpfile dana "$WORK/dana.json" --rawfile robin "$HOME/robin" '{
        url: $url,
        tenant: $principals[0].reader.tenantId,
        devices: $devices[:5],
        doomed: {python: $devices[5], node: $devices[6]},
        principals: ($principals | add),
        user: {name: "dana", oneTimeSecret: $dana[0].oneTimeSecret},
        person: {name: "robin", password: ($robin | rtrimstr("\n"))},
    }' >"$WORK/fleet.json"
say "fleet: $(jq '.devices | length' "$WORK/fleet.json") machines with a password, $(jq '.principals | length' "$WORK/fleet.json") programs, 2 people"

# No proxy: the server is on this machine.
export LAPWING_FLEET=$WORK/fleet.json NO_PROXY=localhost,127.0.0.1 no_proxy=localhost,127.0.0.1
export REQUESTS_CA_BUNDLE=$CA SSL_CERT_FILE=$CA NODE_EXTRA_CA_CERTS=$CA
failed=0
"$CLIENTS/python/bin/python" "$SUITE/test_clients.py" || failed=1
cp "$SUITE/clients.test.mjs" "$CLIENTS/node/"
(cd "$CLIENTS/node" && node --test --test-reporter=tap clients.test.mjs) >"$WORK/node.tap" || failed=1
grep -E '^(not )?ok ' "$WORK/node.tap" || true
[ "$failed" = 0 ] || { grep -A 40 '^not ok' "$WORK/node.tap" || true; }
counted() { sed -n "s/^# $1 //p" "$WORK/node.tap"; }
echo "node: $(counted pass) passed, $(($(counted fail) + $(counted cancelled))) failed"
exit "$failed"

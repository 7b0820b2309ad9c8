# Sourced after lib.sh: the product's server with devices that joined, for the pairs that load it.
# shellcheck shell=bash
. "$ROOT/ci/fleet.sh"

# product_up DEVICES: a server with bounds lifted, policy on, and the identities of so many devices in $WORK/devices.
# One more, in states/0, has a password that was stored, set and proven; no load touches it.
product_up() {
    tree_up "$WORK/tree"
    server_init
    "$TOOLS/seed" --database "$WORK/server/lapwing.db" --lift-bounds 1
    printf '[requests_per_second]\naddress = 100000000\ndevice = 100000000\naccount = 100000000\n' >>"$WORK/server/lapwingd.toml"
    server_start
    sign_in
    policy_up "$ROOT/ci/data/builtin.xml"
    mkdir -p "$WORK/devices"
    cp "$CA" "$WORK/devices/ca.pem"
    local n
    for n in $(seq "$1"); do
        STATE=$WORK/states/$n agent_join --prefix "$WORK/tree" --name "bench-$n"
        identity_of "$WORK/states/$n"
    done
    STATE=$WORK/states/0 agent_join --prefix "$WORK/tree" --name bench-0
    lapwing_agent cycle --state "$WORK/states/0"
}

# identity_of STATE: certificate and key of an agent, as PEM, under the id of its device.
identity_of() {
    local id pem
    id=$(jq -r .device "$1/identity.json")
    pem() { echo "-----BEGIN $1-----"; fold -w 64; echo; echo "-----END $1-----"; }
    jq -r .certificate "$1/identity.json" | pem CERTIFICATE | sed '/^$/d' >"$WORK/devices/$id.pem"
    base64 -w 0 "$1/$(jq -r .key "$1/identity.json")" | pem "PRIVATE KEY" | sed '/^$/d' >"$WORK/devices/$id.key"
}

#!/usr/bin/env bash
# (f) CPU of backup, read, check-in and a page of the list: 1,000,000 stored devices against 10,000.
. "$(dirname "$0")/lib.sh"
WORK=$WORK/f
FEW=${FEW:-10000} MANY=${MANY:-1000000}
rm -rf "$WORK" && mkdir -p "$WORK"
. "$BENCH/product.sh"
product_up 8 >&2
token_of_session >"$HOME/bearer"
device=$(jq -r .device "$WORK/states/0/identity.json")

# The same server twice: its data directory is copied while it is stopped, and each copy is filled.
server_stop
cp -a "$WORK/server" "$WORK/server-many"
"$TOOLS/seed" --database "$WORK/server/lapwing.db" --devices "$FEW" >&2
"$TOOLS/seed" --database "$WORK/server-many/lapwing.db" --devices "$MANY" >&2
server_start
few_port=$PORT few_pid=$SERVER
PORT=$(free_port)
DATA=$WORK/server-many server_start
many_port=$PORT many_pid=$SERVER

forget() { for data in server server-many; do "$TOOLS/seed" --database "$WORK/$data/lapwing.db" --forget 1; done; }
one() { # one OPERATION PORT PID: server CPU us for one operation
    if [ "$1" = backup ]; then
        "$TOOLS/backup" --connections warm --clients 8 --seconds "$SECS" --port "$2" --server-pid "$3" --devices "$WORK/devices"
    else
        "$TOOLS/api" --operation "$1" --clients 8 --seconds "$SECS" --port "$2" --server-pid "$3" --devices "$WORK/devices" \
            --token "$HOME/bearer" --device "$device"
    fi | field server_cpu_us
}
for operation in backup read check-in report list; do
    for _ in $(seq "$ROUNDS"); do
        forget
        one "$operation" "$many_port" "$many_pid" >>"$WORK/$operation.many"
        one "$operation" "$few_port" "$few_pid" >>"$WORK/$operation.few"
    done
    pair f "$operation: server CPU with $MANY devices against $FEW" us "<= 1.1" "$WORK/$operation.many" "$WORK/$operation.few"
done

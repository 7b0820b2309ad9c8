# Sourced: a real server, a person who is signed in and the command line, for the end-to-end scripts.
# Needs BIN (the folder of the three binaries) and WORK (an empty folder on a disk). Everything that is started
# is stopped by its pid.
# shellcheck shell=bash
export HOME=$WORK/home
mkdir -p "$HOME"
# The server's CA certificate.
CA=$WORK/server/keys/ca.crt
STARTED=()
stop_all() {
    local pid
    trap - ERR
    # A process that was ended by a signal is no failure: under `set -e` it would spare the ones behind it.
    for pid in "${STARTED[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
}
trap stop_all EXIT
set -E
trap 'echo "FAILED: ${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND" >&2' ERR

die() {
    echo "FAILED: $*" >&2
    exit 1
}

# say TEXT: one line a step, with the time since the start.
say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }

# until_true SECONDS COMMAND...: tries until it succeeds.
until_true() {
    local limit=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$limit" ] || return 1
        sleep 0.1
    done
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
    local port
    for _ in $(seq 50); do
        port=$((20000 + RANDOM % 20000))
        port_open "$port" || { echo "$port"; return; }
    done
    die "no free port"
}

lapwing() { "$BIN/lapwing" "$@"; }
lapwingd() { "$BIN/lapwingd" "$@"; }
# The agent in place of the shell; a script may start it in surroundings of its own.
exec_agent() { exec "$BIN/lapwing-agent" "$@"; }
lapwing_agent() { (exec_agent "$@"); }

# json PATH: a member of the JSON on standard input, such as '.credentials[0].password'.
json() { jq -er "$1"; }

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
# opens PASSWORD ACCOUNT: by a real su through the system's PAM, asked by nobody. printf is a builtin: the password is
# in no argument list.
opens() { [ "$(printf '%s\n' "$1" | as_nobody su -c 'id -un' "$2" 2>/dev/null)" = "$2" ]; }

# tree_up DIR: an account database that is not the running system's, for --prefix.
tree_up() {
    mkdir -p "$1/etc/pam.d"
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$1/etc/passwd"
    printf 'root:*:20000:0:99999:7:::\n' >"$1/etc/shadow"
    printf 'root:x:0:\nsudo:x:27:\nshadow:x:42:\n' >"$1/etc/group"
    printf 'root:*::\nsudo:*::\nshadow:*::\n' >"$1/etc/gshadow"
    printf 'ENCRYPT_METHOD YESCRYPT\n' >"$1/etc/login.defs"
    chmod 640 "$1/etc/shadow" "$1/etc/gshadow"
}

# server_up: makes a server in $WORK/server, starts it, and signs the administrator in.
server_up() {
    server_init
    server_start
    sign_in
}

server_init() {
    PORT=$(free_port)
    lapwingd init --data "$WORK/server" --hostname "localhost:$PORT" --listen "127.0.0.1:$PORT" >"$WORK/init.out" 2>"$WORK/init.err" || die "init: $(cat "$WORK/init.err")"
}

# server_start: the server of $DATA (default $WORK/server) on $PORT; its pid is $SERVER.
server_start() {
    URL=https://localhost:$PORT
    "$BIN/lapwingd" --log "${LOG:-info}" run --data "${DATA:-$WORK/server}" --listen "127.0.0.1:$PORT" >>"$WORK/server.log" 2>&1 &
    SERVER=$!
    STARTED+=("$SERVER")
    until_true 30 port_open "$PORT" || die "the server did not start: $(tail -n 5 "$WORK/server.log")"
}

server_stop() { kill "$SERVER" && wait "$SERVER" || true; }

# sign_in: the one-time secret is redeemed for a password of one's own. Neither is an argument.
sign_in() {
    printf 'Canary-of-the-admin-%s\n' "$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')" >"$HOME/password"
    one_time_secret <"$WORK/init.out" | lapwing --server "$URL" --ca "$CA" \
        login --here --user admin --secret-file - --new-password-file "$HOME/password"
    rm "$WORK/init.out"
    say "server at $URL, admin signed in"
}

# token_of_session: the bearer token of the person who is signed in.
token_of_session() { jq -r .access_token "$(find "$HOME" -name 'session*.json' | head -n 1)"; }

# The secret in what init printed.
one_time_secret() { grep -o 'lapwing-once\.[^ ]*'; }

# policy_up FILE: turns LAPS on and assigns the policy of a SyncML document to every device.
policy_up() {
    lapwing setting laps on
    lapwing policy import "$1" --name e2e
    lapwing policy assign e2e
}

# agent_up [ARGUMENTS of join]: joins this machine, or the tree that --prefix names, and starts the agent.
agent_up() {
    agent_join "$@"
    (exec_agent run --state "$WORK/state") >>"$WORK/agent.log" 2>&1 &
    AGENT=$!
    STARTED+=("$AGENT")
}

agent_join() {
    lapwing join-token create >"$HOME/token"
    lapwing_agent join --server "$URL" --ca "$CA" --token-file "$HOME/token" --state "${STATE:-$WORK/state}" "$@"
    rm "$HOME/token"
    DEVICE=$(lapwing_agent status --state "${STATE:-$WORK/state}" --output json | json .device_name)
}

# password: the best of what retrieval prints for the device.
password() {
    local printed
    printed=$(lapwing password get "$DEVICE") && printf '%s\n' "${printed%%$'\n'*}"
}

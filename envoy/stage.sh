# What the demos share: starting and stopping programs, and requests with the answers that they must get. To be sourced.
# shellcheck shell=bash disable=SC2317,SC2034 # functions that `trap` and `comes_up` call by name; variables of who sources this

# Where logs, data and tokens go.
readonly demo=.cache/demo

say() { printf '%s\n' "demo: $*"; }
fail() { printf '%s\n' "demo: $*" >&2; exit 1; }

# --- start and stop ---

pids=()
stop() {
    local pid
    trap '' INT TERM HUP
    for pid in "${pids[@]+"${pids[@]}"}"; do kill -TERM "$pid" 2>/dev/null || true; done
    # Both end on TERM within a second; what does not is not left behind either.
    for _ in $(seq 50); do
        [ -n "$(jobs -pr)" ] || break
        sleep 0.1
    done
    for pid in "${pids[@]+"${pids[@]}"}"; do kill -KILL "$pid" 2>/dev/null || true; done
    wait
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start NAME COMMAND...: in the background, its output in $demo/NAME.log, its process id in `started`.
start() {
    local name=$1
    shift
    "$@" >"$demo/$name.log" 2>&1 </dev/null &
    started=$!
    pids+=("$started")
}

# What a log says last about an error, cut to a line's length.
last_error() { grep -Ei 'critical|error' "$demo/$1.log" | tail -n 1 | cut -c 1-300 | sed 's/^/: /'; }

# comes_up PID CHECK...: until CHECK succeeds; fails when the process has gone, or after 30 s.
comes_up() {
    local pid=$1
    shift
    for _ in $(seq 150); do
        if "$@" >/dev/null 2>&1; then return; fi
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.2
    done
    return 1
}

# serve WHAT NAME URL COMMAND...: starts COMMAND and waits until URL answers. The demo's ports lie where the system takes the
# ports of outgoing connections from, and one that has just ended holds its port for a minute: then it is tried again.
serve() {
    local what=$1 name=$2 url=$3 try
    shift 3
    for try in $(seq 35); do
        start "$name" "$@"
        if comes_up "$started" curl -sf --max-time 5 "$url"; then return; fi
        grep -qi 'address already in use' "$demo/$name.log" || break
        [ "$try" -gt 1 ] || say "a connection that has just ended holds a port of $what: trying again for a minute"
        sleep 2
    done
    fail "$what did not start$(last_error "$name"); see $demo/$name.log"
}

# needs TOOL...: the packages have the same names.
needs() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || fail "\`$tool\` is missing: install the package $tool"
    done
}

# free PORT...
free() {
    local port
    for port in "$@"; do
        ! answers "$port" || fail "port $port is in use: is another demo running?"
    done
}

# An empty $demo with a key and the demo's tokens.
prepare() {
    rm -rf "$demo"
    mkdir -p "$demo"
    say "making a key and four tokens in $demo"
    envoy/quickstart/tokens.sh "$demo" 2>"$demo/tokens.log" || fail "openssl could not make the tokens; see $demo/tokens.log"
}

# --- requests and their answers ---

wrong=0
answer=

# run TITLE COMMAND [TRIES]: prints the command as a reader can type it, runs exactly that, and prints the answer. With TRIES,
# one that answers something runs again, as often as that.
run() {
    local try
    printf '\n# %s\n$ %s\n' "$1" "$2"
    for try in $(seq "${3:-1}"); do
        [ "$try" = 1 ] || sleep 0.3
        answer=$(bash -c "$2" 2>&1) || true
        [ -n "$answer" ] || break
    done
    printf '%s\n' "$answer"
}

not_as_promised() {
    wrong=$((wrong + 1))
    printf 'demo: NOT AS PROMISED: %s\n' "$1"
}

# gets EXPECTED TITLE COMMAND: the answer's lines are these; their order is Prometheus's business.
gets() {
    run "$2" "$3"
    [ "$(sort <<<"$answer")" = "$(sort <<<"$1")" ] || not_as_promised "$1"
}

# refused STATUS TYPE TITLE COMMAND: an error in Prometheus's JSON, and the HTTP status after it.
refused() {
    run "$3" "$4"
    if [ "${answer##* }" != "($1)" ] || ! jq -e --arg type "$2" \
        '.status == "error" and .errorType == $type and (.error | length > 0)' <<<"${answer% (*}" >/dev/null 2>&1; then
        not_as_promised "status $1 and errorType $2"
    fi
}

readonly rows="| jq -c '.data.result[] | [.metric, .value[1]]'"
readonly and_status="-w ' (%{http_code})\\n'"
# shellcheck disable=SC2016 # what the reader's shell expands
bearer() { printf -- '-H "Authorization: Bearer $(cat %s/%s.jwt)"' "$demo" "$1"; }

# finish PID...: ends the script with ONCE=1; without, waits until one of the processes ends by itself, or for Ctrl-C.
finish() {
    local pid
    echo
    [ "$wrong" = 0 ] || fail "not as promised: $wrong of the answers above; logs are in $demo"
    if [ "${ONCE:-}" = 1 ]; then
        say "all answers are as promised"
        exit 0
    fi
    say "all answers are as promised; everything runs until Ctrl-C, logs are in $demo"
    # Not every way to close a terminal sends a signal here: what began on one ends with it.
    local began_on_terminal=no
    [ ! -t 1 ] || began_on_terminal=yes
    while true; do
        for pid in "$@"; do
            kill -0 "$pid" 2>/dev/null || fail "a program ended by itself; see the logs in $demo"
        done
        [ -t 1 ] || [ "$began_on_terminal" = no ] || exit 143
        # A signal ends `wait` at once, and `sleep` only when it is over.
        sleep 1 &
        wait $! || true
    done
}

#!/usr/bin/env bash
# The demo: Prometheus with two teams' series, Envoy with the filter in front, and requests with the answers that they got.
#
# `make demo` calls it with ENVOY, PROMETHEUS and MODULE. It ends with everything running, until Ctrl-C; with ONCE=1 it ends by
# itself, with exit 1 when an answer is not the one that the scenario promises.
# shellcheck disable=SC2317 # functions that `trap` and `await` call by name
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly envoy=${ENVOY:-.cache/bin/envoy} prometheus=${PROMETHEUS:-.cache/bin/prometheus}
readonly module=${MODULE:-target/prom-label-filter.wasm}
readonly demo=.cache/demo
# The listeners for everybody, Team Fruit and Team Veggie; Prometheus; Envoy's own statistics.
readonly ports=(39090 39091 39092 39093 39094)

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

# Scrapes that arrived: two teams with two targets each, and one target of nobody.
five_targets_are_up() {
    curl -sf --max-time 5 127.0.0.1:39093/api/v1/query --data-urlencode 'query=count(up == 1)' |
        jq -e '.data.result[0].value[1] == "5"'
}

for tool in curl jq openssl; do
    command -v "$tool" >/dev/null || fail "\`$tool\` is missing: install the package $tool"
done
[ -x "$envoy" ] || fail "no Envoy at $envoy: \`make setup-envoy\`, or set ENVOY"
[ -x "$prometheus" ] || fail "no Prometheus at $prometheus: \`make setup-prometheus\`, or set PROMETHEUS"
[ -f "$module" ] || fail "no module at $module: \`make build\`"
for port in "${ports[@]}"; do
    ! answers "$port" || fail "port $port is in use: is another demo running?"
done

rm -rf "$demo"
mkdir -p "$demo"

say "making a key and four tokens in $demo"
envoy/quickstart/tokens.sh "$demo" 2>"$demo/tokens.log" || fail "openssl could not make the tokens; see $demo/tokens.log"

say "starting Prometheus on 127.0.0.1:39093"
serve Prometheus prometheus 127.0.0.1:39093/-/ready \
    "$prometheus" --config.file=envoy/quickstart/prometheus.yml --storage.tsdb.path="$demo/prometheus" \
    --web.listen-address=127.0.0.1:39093
prometheus_pid=$started

say "starting Envoy on 127.0.0.1:39090 (token), :39091 (fruit), :39092 (veggie)"
# Other Envoys on this machine are none of its business, hence no hot restart.
serve Envoy envoy 127.0.0.1:39094/ready \
    "$envoy" -c envoy/quickstart/envoy.yaml --disable-hot-restart --concurrency 2 \
    --log-level warning --component-log-level wasm:info
envoy_pid=$started

say "waiting for Prometheus to scrape its five targets"
comes_up "$prometheus_pid" five_targets_are_up || fail "waited 30 s in vain for five targets that are up; see $demo/prometheus.log"

# --- requests and their answers ---

wrong=0
answer=

# run TITLE COMMAND: prints the command as a reader can type it, runs exactly that, and prints the answer.
run() {
    printf '\n# %s\n$ %s\n' "$1" "$2"
    answer=$(bash -c "$2" 2>&1) || true
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

readonly fruit=127.0.0.1:39091/api/v1 veggie=127.0.0.1:39092/api/v1 everybody=127.0.0.1:39090/api/v1
readonly fruit_up='[{"__name__":"up","instance":"127.0.0.1:39094","job":"envoy","tenant":"team-fruit"},"1"]
[{"__name__":"up","instance":"127.0.0.1:39093","job":"prometheus","tenant":"team-fruit"},"1"]'

gets "$fruit_up" \
    "A port for Team Fruit: the tenant stands in the route's metadata" "curl -s $fruit/query -d query=up $rows"
gets "${fruit_up//team-fruit/team-veggie}" \
    "The same query on Team Veggie's port" "curl -s $veggie/query -d query=up $rows"
gets '{"resultType":"vector","result":[]}' \
    "Fruit asks for Veggie's series: an empty result, as if there were none" \
    "curl -s $fruit/query --data-urlencode 'query=up{tenant=\"team-veggie\"}' | jq -c .data"
gets 'sum(up{tenant="team-fruit"}) / count(up{tenant="team-fruit"})' \
    "What becomes of a query" \
    "curl -s 127.0.0.1:39091/-/explain -G --data-urlencode 'query=sum(up) / count(up)'"
gets '["team-fruit"]' \
    "Which tenants are there? For Fruit there is one" "curl -s $fruit/label/tenant/values | jq -c .data"

readonly by_tenant="--data-urlencode 'query=count by (tenant) (up)'"
readonly join="--data-urlencode 'query=up{tenant=\"team-fruit\"} + on (job) up{tenant=\"team-veggie\"}'"
gets '[{"tenant":"team-fruit"},"2"]' \
    "A port for everybody: Fruit's token" "curl -s $everybody/query $(bearer fruit) $by_tenant $rows"
gets '[{"tenant":"team-veggie"},"2"]' \
    "Veggie's token" "curl -s $everybody/query $(bearer veggie) $by_tenant $rows"
gets '[{"tenant":"team-fruit"},"2"]
[{"tenant":"team-veggie"},"2"]' \
    "The tomato is both" "curl -s $everybody/query $(bearer tomato) $by_tenant $rows"
gets '[{"job":"envoy"},"2"]
[{"job":"prometheus"},"2"]' \
    "... and joins across both" "curl -s $everybody/query $(bearer tomato) $join $rows"
gets '[{"tenant":"team-fruit"},"2"]
[{"tenant":"team-veggie"},"2"]
[{},"1"]' \
    "The administrator sees everything, also what belongs to no team" \
    "curl -s $everybody/query $(bearer admin) $by_tenant $rows"
refused 401 prom-label-filter \
    "Without a token" "curl -s $everybody/query -d query=up $and_status"
refused 404 prom-label-filter \
    "An endpoint that would show other teams' targets" "curl -s $fruit/status/config $and_status"
refused 400 bad_data \
    "A query that is not PromQL" "curl -s $fruit/query --data-urlencode 'query=up{' $and_status"

echo
[ "$wrong" = 0 ] || fail "not as promised: $wrong of the answers above; logs are in $demo"
if [ "${ONCE:-}" = 1 ]; then
    say "all answers are as promised"
    exit 0
fi

say "all answers are as promised; everything runs until Ctrl-C, logs are in $demo"
# Not every way to close a terminal sends a signal here: what began on one ends with it.
began_on_terminal=no
[ ! -t 1 ] || began_on_terminal=yes
while kill -0 "$envoy_pid" 2>/dev/null && kill -0 "$prometheus_pid" 2>/dev/null; do
    [ -t 1 ] || [ "$began_on_terminal" = no ] || exit 143
    # A signal ends `wait` at once, and `sleep` only when it is over.
    sleep 1 &
    wait $! || true
done
fail "Envoy or Prometheus ended by itself; see $demo/envoy.log and $demo/prometheus.log"

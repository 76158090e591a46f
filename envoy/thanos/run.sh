#!/usr/bin/env bash
# The tutorial's scenario: two teams, three Prometheus servers with their sidecars, one Thanos Querier over all of them, and Envoy
# with the filter in front. For comparison, a Querier for each team alone.
#
# `make demo-thanos` calls it with ENVOY, PROMETHEUS, THANOS and MODULE. It ends with everything running, until Ctrl-C; with
# ONCE=1 it ends by itself, with exit 1 when an answer is not the one that the scenario promises.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly envoy=${ENVOY:-.cache/bin/envoy} prometheus=${PROMETHEUS:-.cache/peers/bin/prometheus}
readonly thanos=${THANOS:-.cache/peers/bin/thanos} module=${MODULE:-target/prom-label-filter.wasm}
# Envoy: everybody, Team Fruit, Team Veggie, statistics.             39090 39091 39092 39094
# Queriers: the shared one, Fruit's, Veggie's; their gRPC ports.     29090 29091 29092, 29093 29094 29095
# Prometheus: Fruit's, Veggie's two.                                 29190 29191 29192
# Their sidecars, and their gRPC ports.                              29290 29291 29292, 29390 29391 29392
readonly ports=(
    39090 39091 39092 39094 29090 29091 29092 29093 29094 29095 29190 29191 29192 29290 29291 29292 29390 29391 29392
)
# shellcheck source=envoy/stage.sh
source envoy/stage.sh

# querier WHAT NAME HTTP_PORT GRPC_PORT SIDECAR_PORT...
querier() {
    local what=$1 name=$2 http=$3 grpc=$4 endpoints=() port
    shift 4
    for port in "$@"; do endpoints+=("--endpoint=127.0.0.1:$port"); done
    # The two replicas of Team Veggie are one to whoever asks. Without CORS: to reach a port is to be the team, and else any page
    # in a browser that reaches it could read what it shows.
    serve "$what" "$name" "127.0.0.1:$http/-/ready" "$thanos" query --http-address="127.0.0.1:$http" \
        --grpc-address="127.0.0.1:$grpc" --query.replica-label=replica --web.disable-cors "${endpoints[@]}"
}

# What the first scrapes and evaluations bring: three servers with two targets and an alert each, in the shared Querier.
everything_is_there() {
    curl -sf --max-time 5 127.0.0.1:29090/api/v1/query -d dedup=false --data-urlencode 'query=count(up == 1)' |
        jq -e '.data.result[0].value[1] == "6"' &&
        curl -sf --max-time 5 127.0.0.1:29090/api/v1/alerts | jq -e '.data.alerts | length == 2' &&
        curl -sf --max-time 5 127.0.0.1:29092/api/v1/query -d dedup=false --data-urlencode 'query=count(job:up:sum)' |
        jq -e '.data.result[0].value[1] == "4"'
}

needs curl jq openssl diff
[ -x "$envoy" ] || fail "no Envoy at $envoy: \`make setup-envoy\`, or set ENVOY"
for program in "$prometheus" "$thanos"; do
    [ -x "$program" ] || fail "no $program: \`make peers\`, or set PROMETHEUS and THANOS"
done
[ -f "$module" ] || fail "no module at $module: \`make build\`"
free "${ports[@]}"
prepare

say "starting a Prometheus for Team Fruit and two replicas for Team Veggie, each with a sidecar"
number=0
for server in fruit veggie-0 veggie-1; do
    serve "Prometheus ($server)" "prometheus-$server" "127.0.0.1:2919$number/-/ready" \
        "$prometheus" --config.file="envoy/thanos/$server.yml" --storage.tsdb.path="$demo/prometheus-$server" \
        --web.listen-address="127.0.0.1:2919$number"
    serve "its sidecar" "sidecar-$server" "127.0.0.1:2929$number/-/ready" \
        "$thanos" sidecar --prometheus.url="http://127.0.0.1:2919$number" --tsdb.path="$demo/prometheus-$server" \
        --http-address="127.0.0.1:2929$number" --grpc-address="127.0.0.1:2939$number"
    number=$((number + 1))
done

say "starting a Querier over all of them, and for comparison one for each team"
querier "the shared Querier" querier 29090 29093 29390 29391 29392
querier_pid=$started
querier "Fruit's Querier" querier-fruit 29091 29094 29390
querier "Veggie's Querier" querier-veggie 29092 29095 29391 29392

say "starting Envoy on 127.0.0.1:39090 (token), :39091 (fruit), :39092 (veggie)"
# Other Envoys on this machine are none of its business, hence no hot restart.
serve Envoy envoy 127.0.0.1:39094/ready \
    "$envoy" -c envoy/thanos/envoy.yaml --disable-hot-restart --concurrency 2 \
    --log-level warning --component-log-level wasm:info
envoy_pid=$started

say "waiting for the first scrapes and alerts"
comes_up "$querier_pid" everything_is_there || fail "waited 30 s in vain for three servers with their targets; see $demo"

# --- the tutorial ---

readonly shared=127.0.0.1:29090/api/v1 fruit=127.0.0.1:39091/api/v1 veggie=127.0.0.1:39092/api/v1
readonly everybody=127.0.0.1:39090/api/v1
readonly by_tenant="--data-urlencode 'query=count by (tenant) (up)'"
readonly both='[{"tenant":"team-fruit"},"2"]
[{"tenant":"team-veggie"},"2"]'

step() { printf '\n=== %s\n' "$1"; }

# same TITLE REQUEST [FILTER]: Veggie's own Querier and its port answer alike. A scrape between the two requests can bring one
# of them something new; then both are asked again.
same() {
    run "$1" "diff <(curl -sS 127.0.0.1:29092$2${3:-}) <(curl -sS 127.0.0.1:39092$2${3:-})" 10
    [ -z "$answer" ] || not_as_promised "no line differs"
}

step "Naive isolation: everybody agrees to ask for their own"
gets '[{"tenant":"team-fruit"},"2"]' \
    "Team Fruit asks the shared Querier for its own series" \
    "curl -s $shared/query --data-urlencode 'query=count by (tenant) (up{tenant=\"team-fruit\"})' $rows"
gets "$both" \
    "... and forgets to" "curl -s $shared/query $by_tenant $rows"

step "Hard tenancy: a Querier for each team"
gets '[{"tenant":"team-fruit"},"2"]' \
    "Team Fruit's Querier knows Fruit's store alone" "curl -s 127.0.0.1:29091/api/v1/query $by_tenant $rows"
gets '[{"tenant":"team-veggie"},"2"]' \
    "Team Veggie's merges its two replicas" "curl -s 127.0.0.1:29092/api/v1/query $by_tenant $rows"
gets '[{"tenant":"team-veggie"},"4"]' \
    "... unless it is told not to" "curl -s 127.0.0.1:29092/api/v1/query -d dedup=false $by_tenant $rows"
gets '' \
    "The Tomato is a fruit and a vegetable, and has no Querier to join both" \
    "curl -s 127.0.0.1:29091/api/v1/query --data-urlencode 'query=up{tenant=\"team-fruit\"} + on (job) up{tenant=\"team-veggie\"}' $rows"

step "Soft tenancy by port: one Querier, and Envoy with the filter"
gets '[{"tenant":"team-fruit"},"2"]' \
    "Fruit's port" "curl -s $fruit/query $by_tenant $rows"
gets '[{"tenant":"team-veggie"},"2"]' \
    "Veggie's port: its two replicas are one" "curl -s $veggie/query $by_tenant $rows"
gets '[{"tenant":"team-veggie"},"4"]' \
    "... unless it is told not to" "curl -s $veggie/query -d dedup=false $by_tenant $rows"
gets '{"resultType":"vector","result":[],"analysis":{}}' \
    "Fruit asks for Veggie's series: an empty result, as if there were none" \
    "curl -s $fruit/query --data-urlencode 'query=up{tenant=\"team-veggie\"}' | jq -c .data"
gets '["team-fruit"]' \
    "Which tenants are there? For Fruit there is one" "curl -s $fruit/label/tenant/values | jq -c .data"
gets '{"alertname":"Watchdog","severity":"none"}' \
    "Its alert, and not the other team's" "curl -s $fruit/alerts | jq -c '.data.alerts[].labels'"

step "... which is hard tenancy to whoever asks"
now=$(date +%s)
same "All that Veggie has: no line differs" \
    "/api/v1/query -d time=$now --data-urlencode 'query=count by (__name__, job, cluster) ({__name__=~\".+\"})'" " | jq -c '.data.result | sort'"
same "The names of all of it" "/api/v1/label/__name__/values"
same "Its rules and alerts, but for the moments when each was looked at" \
    "/api/v1/rules" " | jq 'del(.. | .lastEvaluation?, .evaluationTime?, .activeAt?)'"
same "Its targets" "/api/v1/targets" " | jq 'del(.. | .lastScrape?, .lastScrapeDuration?)'"
same "A mistake is one in both. What is wrong with it only the team's own says: the filter shows no text that may name a store" \
    "/api/v1/query --data-urlencode 'query=rate(up)'" " | jq 'del(.error)'"

step "Soft tenancy by token: one port for everybody"
gets '[{"tenant":"team-fruit"},"2"]' \
    "Fruit's token" "curl -s $everybody/query $(bearer fruit) $by_tenant $rows"
gets '[{"tenant":"team-veggie"},"2"]' \
    "Veggie's token" "curl -s $everybody/query $(bearer veggie) $by_tenant $rows"
gets "$both" \
    "The Tomato's is both" "curl -s $everybody/query $(bearer tomato) $by_tenant $rows"
gets '[{"job":"envoy"},"2"]
[{"job":"querier"},"2"]' \
    "... and joins across both teams" \
    "curl -s $everybody/query $(bearer tomato) --data-urlencode 'query=up{tenant=\"team-fruit\"} + on (job) up{tenant=\"team-veggie\"}' $rows"
gets "$both" \
    "The administrator's lifts the rule" "curl -s $everybody/query $(bearer admin) $by_tenant $rows"
refused 401 prom-label-filter \
    "Without a token" "curl -s $everybody/query -d query=up $and_status"
refused 404 prom-label-filter \
    "Where the stores are is nobody's business" "curl -s $everybody/status/config $(bearer fruit) $and_status"

[ "${ONCE:-}" = 1 ] || printf '\nIn a browser: http://127.0.0.1:39091 is the Querier as Team Fruit sees it.\n'
finish "$envoy_pid" "$querier_pid"

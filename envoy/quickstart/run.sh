#!/usr/bin/env bash
# The demo: Prometheus with two teams' series, Envoy with the filter in front, and requests with the answers that they got.
#
# `make demo` calls it with ENVOY, PROMETHEUS and MODULE. It ends with everything running, until Ctrl-C; with ONCE=1 it ends by
# itself, with exit 1 when an answer is not the one that the scenario promises.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly envoy=${ENVOY:-.cache/bin/envoy} prometheus=${PROMETHEUS:-.cache/bin/prometheus}
readonly module=${MODULE:-target/prom-label-filter.wasm}
# The listeners for everybody, Team Fruit and Team Veggie; Prometheus; Envoy's own statistics.
readonly ports=(39090 39091 39092 39093 39094)
# shellcheck source=envoy/stage.sh
source envoy/stage.sh

# Scrapes that arrived: two teams with two targets each, and one target of nobody.
five_targets_are_up() {
    curl -sf --max-time 5 127.0.0.1:39093/api/v1/query --data-urlencode 'query=count(up == 1)' |
        jq -e '.data.result[0].value[1] == "5"'
}

needs curl jq openssl
[ -x "$envoy" ] || fail "no Envoy at $envoy: \`make setup-envoy\`, or set ENVOY"
[ -x "$prometheus" ] || fail "no Prometheus at $prometheus: \`make setup-prometheus\`, or set PROMETHEUS"
[ -f "$module" ] || fail "no module at $module: \`make build\`"
free "${ports[@]}"
prepare

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

finish "$envoy_pid" "$prometheus_pid"

//! Every finding: a bootstrap that shows it, and one that does not.

use super::bootstrap::{
    Edit, LISTENER, by_route, certificate, early_removal, filter, header, nothing, switch, trusted,
};
use serde_json::json;

/// A bootstrap that shows a finding, one that does not, and the finding: severity, a part of its path, a part of its message.
pub(super) type Case = (Edit, Edit, &'static str, &'static str, &'static str);

/// A filter that removes `tenant`, of requests, parameters or answers.
fn mutating(what: &str) -> serde_json::Value {
    let mut filter = filter("mutating", "header_mutation.v3.HeaderMutation");
    filter["typed_config"]["mutations"] = json!({what: [{"remove": "tenant"}]});
    filter
}

/// Everything about the plugin itself.
pub(super) const PLUGIN: &[Case] = &[
    (
        |b| b.configured(json!({"labels": [{"name": "tenant", "header": "x tenant"}]})),
        nothing,
        "error",
        "http_filters[1].typed_config.config.configuration.value: labels[0].header",
        "is no header name",
    ),
    (
        |b| b.set("http_filters/1/typed_config/config/configuration", "value", json!("labels: []")),
        nothing,
        "error",
        "configuration.value",
        "not valid JSON",
    ),
    (
        |b| b.remove("http_filters/1/typed_config/config", "configuration"),
        nothing,
        "error",
        "configuration: labels",
        "is needed",
    ),
    (|b| b.plugin("failure_policy", json!("FAIL_OPEN")), nothing, "error", ".failure_policy", "pass without"),
    (
        |b| b.plugin("failure_policy", json!(3)),
        |b| b.plugin("failure_policy", json!(1)),
        "error",
        ".failure_policy",
        "pass without",
    ),
    (
        |b| b.remove("http_filters/1/typed_config/config", "failure_policy").plugin("failOpen", json!(true)),
        |b| b.plugin("fail_open", json!(false)),
        "error",
        ".failOpen",
        "pass without",
    ),
    (
        |b| b.plugin("failure_policy", json!("FAIL_CLOSED")),
        nothing,
        "warning",
        ".failure_policy",
        "until Envoy is restarted",
    ),
    (
        |b| b.remove("http_filters/1/typed_config/config", "failure_policy"),
        nothing,
        "warning",
        "typed_config.config",
        "FAIL_RELOAD",
    ),
    (
        |b| b.configured(json!({"labels": [{"name": "tenant", "jwt_claim": "t"}], "hold_response_headers": true})),
        |b| {
            b.configured(json!({"labels": [{"name": "tenant", "jwt_claim": "t"}], "hold_response_headers": true}))
                .plugin("allow_on_headers_stop_iteration", json!(true))
        },
        "error",
        "value: hold_response_headers",
        "allow_on_headers_stop_iteration",
    ),
    (
        |b| b.insert("http_filters", 2, filter("later", "cors.v3.Cors")),
        |b| b.insert("http_filters", 0, filter("earlier", "cors.v3.Cors")),
        "warning",
        "http_filters[2]",
        "not checked again",
    ),
    (
        |b| b.set("http_filters/1", "disabled", json!(true)),
        nothing,
        "error",
        "http_filters[1]",
        "no route switches it on",
    ),
    (
        |b| b.route("typed_per_filter_config", switch(true)),
        |b| b.route("typed_per_filter_config", switch(false)),
        "error",
        "http_filters[1]",
        "off by every route",
    ),
    (
        |b| b.set("http_filters/1", "disabled", json!(true)).route("typed_per_filter_config", switch(false)),
        nothing,
        "warning",
        "http_filters[1]",
        "a route that forgets",
    ),
    (|b| b.without_filter(1), nothing, "error", "", "no prom-label-filter in it"),
    (
        |b| b.configured(json!({"labels": [{"name": "tenant", "jwt_claim": "t", "danger_unrestricted": ["sre"]}]})),
        |b| b.configured(json!({"labels": [{"name": "tenant", "jwt_claim": "t", "danger_unrestricted": []}]})),
        "note",
        "labels[0].danger_unrestricted",
        "on purpose",
    ),
    (
        |b| b.configured(json!({"labels": [{"name": "tenant", "jwt_claim": "t"}], "metadata": "danger_pass"})),
        |b| b.configured(json!({"labels": [{"name": "tenant", "jwt_claim": "t"}], "metadata": "deny"})),
        "note",
        "value: metadata",
        "help texts",
    ),
    (
        |b| b.configured(json!({"labels": [{"name": "tenant", "jwt_claim": "t"}], "danger_passthrough_paths": ["/x"]})),
        nothing,
        "note",
        "value: danger_passthrough_paths",
        "on purpose",
    ),
    (
        |b| {
            b.remove("http_filters/1", "typed_config");
            b.set("http_filters/1", "config_discovery", json!({"config_source": {"ads": {}}}))
        },
        nothing,
        "note",
        "http_filters[1]",
        "ECDS",
    ),
];

/// Everything about where the tenant comes from.
pub(super) const SOURCES: &[Case] = &[
    (|b| b.source("header", json!("X-Tenant")), header, "warning", "labels[0].header", "anyone can send `X-Tenant`"),
    (
        |b| b.source("header", json!("X-Tenant")).set("", "early_header_mutation_extensions", early_removal("x-other")),
        |b| {
            let mut mutation = filter("mutation", "header_mutation.v3.HeaderMutation");
            mutation["typed_config"]["mutations"] = json!({"request_mutations": [{"append": {
                "header": {"key": "x-tenant", "value": "a"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}]});
            b.source("header", json!("X-Tenant")).insert("http_filters", 0, mutation)
        },
        "warning",
        "labels[0].header",
        "nothing in front removes it",
    ),
    (
        |b| {
            let mut mutation = filter("mutation", "header_mutation.v3.HeaderMutation");
            mutation["typed_config"]["mutations"] = json!({"request_mutations": [{"append": {
                "header": {"key": "x-tenant", "value": "a"}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}}]});
            b.source("header", json!("X-Tenant")).insert("http_filters", 0, mutation)
        },
        |b| {
            b.source("header", json!("X-Tenant")).set(
                "http_filters/0/typed_config/providers/idp",
                "claim_to_headers",
                json!([{"header_name": "x-tenant", "claim_name": "tenant"}]),
            )
        },
        "warning",
        "labels[0].header",
        "nothing in front removes it",
    ),
    (
        |b| b.source("header", json!("X-Tenant")).insert("http_filters", 0, filter("authz", "ext_authz.v3.ExtAuthz")),
        header,
        "note",
        "labels[0].header",
        "`authz` must set or remove",
    ),
    (
        |b| b.source("query_param", json!("tenant")),
        nothing,
        "warning",
        "labels[0].query_param",
        "must set it in every URL",
    ),
    (
        |b| b.source("query_param", json!("tenant")).insert("http_filters", 0, mutating("query_parameter_mutations")),
        |b| b.source("query_param", json!("tenant")).insert("http_filters", 0, mutating("request_mutations")),
        "error",
        "http_filters[0].typed_config.mutations.query_parameter_mutations",
        "a client chooses",
    ),
    (
        |b| b.source("header", json!("tenant")).insert("http_filters", 0, mutating("response_mutations")),
        |b| b.source("header", json!("tenant")).insert("http_filters", 0, mutating("request_mutations")),
        "warning",
        "labels[0].header",
        "anyone can send",
    ),
    (
        // RBAC and jwt_authn that read the header do not write it.
        |b| {
            let mut rbac = filter("rbac", "rbac.v3.RBAC");
            rbac["typed_config"]["rules"] = json!({"policies": {"all": {"permissions": [{"any": true}],
                "principals": [{"header": {"name": "x-tenant", "present_match": true}}]}}});
            b.source("header", json!("X-Tenant"))
                .set("http_filters/0/typed_config/providers/idp", "from_headers", json!([{"name": "x-tenant"}]))
                .insert("http_filters", 0, rbac)
        },
        |b| {
            b.source("header", json!("X-Tenant")).set(
                "http_filters/0/typed_config/providers/idp",
                "forward_payload_header",
                json!("x-tenant"),
            )
        },
        "warning",
        "labels[0].header",
        "anyone can send",
    ),
    (
        |b| b.source("path_param", json!("tenant")),
        |b| b.source("path_param", json!("tenant")).insert("http_filters", 0, filter("rbac", "rbac.v3.RBAC")),
        "warning",
        "labels[0].path_param",
        "nothing in front decides who may use which",
    ),
    (
        |b| b.source("path_param", json!("tenant")),
        |b| {
            b.source("path_param", json!("tenant")).set(
                "route_config/virtual_hosts/0/routes/0/route",
                "prefix_rewrite",
                json!("/"),
            )
        },
        "note",
        "routes[0]",
        "strip it",
    ),
    (|b| b.source("peer_certificate", json!("uri_san")), trusted, "error", "filter_chains[0]", "has no TLS"),
    (
        |b| certificate(b, false, json!({"trusted_ca": {"filename": "ca.pem"}})),
        trusted,
        "error",
        "transport_socket.typed_config",
        "require_client_certificate: true",
    ),
    (|b| certificate(b, true, json!({})), trusted, "error", "transport_socket.typed_config", "trusts nobody"),
    (
        |b| {
            certificate(
                b,
                true,
                json!({"trusted_ca": {"filename": "ca.pem"}, "trust_chain_verification": "ACCEPT_UNTRUSTED"}),
            )
        },
        trusted,
        "error",
        "validation_context.trust_chain_verification",
        "anyone made",
    ),
    (
        |b| b.source("route_metadata", json!("tenant")),
        by_route,
        "warning",
        "virtual_hosts[0].routes[0]",
        "names no tenant",
    ),
    (
        |b| {
            by_route(b);
            b.configured(
                json!({"labels": [{"name": "tenant", "route_metadata": "tenant"}], "route_metadata_namespace": "x"}),
            )
        },
        |b| {
            b.source("route_metadata", json!(["team", "name"])).set(
                LISTENER,
                "metadata",
                json!({"filter_metadata": {"prom-label-filter": {"team": {"name": ["fruit"]}}}}),
            )
        },
        "warning",
        "virtual_hosts[0].routes[0]",
        "names no tenant",
    ),
    (
        |b| {
            by_route(b);
            b.route("metadata", json!({"filter_metadata": {"prom-label-filter": {"tenant": 7}}}))
        },
        by_route,
        "warning",
        "virtual_hosts[0].routes[0]",
        "in a way that is refused",
    ),
];

/// Everything about tokens.
pub(super) const TOKENS: &[Case] = &[
    (|b| b.without_filter(0), nothing, "error", "labels[0].jwt_claim", "no jwt_authn in front"),
    (
        |b| b.set("http_filters/0", "disabled", json!(true)),
        nothing,
        "error",
        "labels[0].jwt_claim",
        "no jwt_authn in front",
    ),
    (
        |b| {
            let verifier = b.at("http_filters").as_array_mut().expect("a list").remove(0);
            b.insert("http_filters", 1, verifier)
        },
        nothing,
        "error",
        "http_filters[1]",
        "move it in front",
    ),
    (
        |b| b.remove("http_filters/0/typed_config/providers/idp", "payload_in_metadata"),
        nothing,
        "error",
        "providers.idp",
        "has no `payload_in_metadata: payload`",
    ),
    (
        |b| b.set("http_filters/0/typed_config/providers/idp", "payload_in_metadata", json!("jwt")),
        |b| {
            b.configured(json!({"labels": [{"name": "tenant", "jwt_claim": "t"}], "jwt": {"payload_key": "jwt"}})).set(
                "http_filters/0/typed_config/providers/idp",
                "payload_in_metadata",
                json!("jwt"),
            )
        },
        "error",
        "providers.idp.payload_in_metadata",
        "looks for `payload`",
    ),
    (|b| b.jwt("providers", json!({})), nothing, "error", "http_filters[0].typed_config", "no providers"),
    (
        |b| b.configured(json!({"labels": [{"name": "tenant", "jwt_claim": "t"}], "jwt": {"metadata_namespace": "x"}})),
        nothing,
        "warning",
        "value: jwt.metadata_namespace",
        "leaves tokens under",
    ),
    (
        |b| b.jwt("rules", json!([{"match": {"prefix": "/"}, "requires": {"allow_missing_or_failed": {}}}])),
        nothing,
        "warning",
        "rules[0].requires.allow_missing_or_failed",
        "forged",
    ),
    (
        |b| b.jwt("rules", json!([{"match": {"prefix": "/"}, "requires": {"allow_missing": {}}}])),
        nothing,
        "note",
        "rules[0].requires.allow_missing",
        "without a token",
    ),
    (
        |b| b.jwt("rules", json!([{"match": {"prefix": "/api"}, "requires": {"provider_name": "idp"}}])),
        nothing,
        "warning",
        "typed_config.rules",
        "no rule matches every path",
    ),
    (
        |b| {
            let headers = json!([{"name": "x-a", "present_match": true}]);
            b.jwt(
                "rules",
                json!([{"match": {"prefix": "/", "headers": headers}, "requires": {"provider_name": "idp"}}]),
            )
        },
        nothing,
        "warning",
        "typed_config.rules",
        "no rule matches every path",
    ),
    (
        |b| b.insert("http_filters/0/typed_config/rules", 0, json!({"match": {"prefix": "/federate"}})),
        |b| b.push("http_filters/0/typed_config/rules", json!({"match": {"prefix": "/federate"}})),
        "warning",
        "rules[0]",
        "requires no token",
    ),
];

/// Everything about routes.
pub(super) const ROUTES: &[Case] = &[
    (
        |b| b.second_listener_to(9090),
        |b| b.second_listener_to(9091),
        "error",
        "listeners[1].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0]",
        "leads to `another`, which is guarded elsewhere as `prometheus`",
    ),
    (
        |b| {
            let off = json!({"match": {"path": "/x"}, "route": {"cluster": "prometheus"}, "typed_per_filter_config": switch(true)});
            b.insert("route_config/virtual_hosts/0/routes", 0, off)
        },
        |b| {
            let off = json!({"match": {"path": "/x"}, "route": {"cluster": "another"}, "typed_per_filter_config": switch(true)});
            b.insert("route_config/virtual_hosts/0/routes", 0, off)
        },
        "error",
        "virtual_hosts[0].routes[0]",
        "switches prom-label-filter off",
    ),
    (
        |b| {
            let mut open = b.at("route_config/virtual_hosts/0").clone();
            open["domains"] = json!(["open.example"]);
            open["typed_per_filter_config"] = switch(true);
            b.push("route_config/virtual_hosts", open)
        },
        |b| {
            let mut open = b.at("route_config/virtual_hosts/0").clone();
            open["domains"] = json!(["open.example"]);
            open["typed_per_filter_config"] = switch(true);
            open["routes"][0]["typed_per_filter_config"] = switch(false);
            b.push("route_config/virtual_hosts", open)
        },
        "error",
        "virtual_hosts[1].routes[0]",
        "switches prom-label-filter off",
    ),
    (
        |b| {
            let on = json!({"match": {"path": "/x"}, "route": {"cluster": "prometheus"}, "typed_per_filter_config": switch(false)});
            b.set("http_filters/1", "disabled", json!(true)).insert("route_config/virtual_hosts/0/routes", 0, on)
        },
        nothing,
        "error",
        "virtual_hosts[0].routes[1]",
        "does not switch prom-label-filter on",
    ),
    (
        |b| {
            let weighted = json!({"clusters": [
                {"name": "prometheus", "weight": 1},
                {"name": "prometheus", "weight": 1, "typed_per_filter_config": switch(true)}]});
            b.route("route", json!({"weighted_clusters": weighted}))
        },
        |b| {
            let weighted =
                json!({"clusters": [{"name": "prometheus", "weight": 1}, {"name": "prometheus", "weight": 1}]});
            b.route("route", json!({"weighted_clusters": weighted}))
        },
        "error",
        "virtual_hosts[0].routes[0]",
        "unprotected",
    ),
    (
        |b| b.second_listener(),
        |b| {
            let place = "/static_resources/listeners/1/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0/route";
            b.second_listener().set(place, "cluster", json!("another"))
        },
        "error",
        "listeners[1].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0]",
        "has no prom-label-filter in front",
    ),
    (
        |b| {
            let proxy = json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": "x", "cluster": "prometheus"});
            b.push(
                "/static_resources/listeners",
                json!({"name": "tcp", "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}]}),
            )
        },
        |b| {
            let proxy = json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": "x", "cluster": "another"});
            b.push(
                "/static_resources/listeners",
                json!({"name": "tcp", "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}]}),
            )
        },
        "error",
        "listeners[1].filter_chains[0].filters[0].typed_config",
        "past every HTTP filter",
    ),
    (
        |b| {
            b.set(
                "route_config/virtual_hosts/0/routes/0/match",
                "query_parameters",
                json!([{"name": "a", "present_match": true}]),
            )
        },
        nothing,
        "warning",
        "routes[0].match.query_parameters",
        "selected again",
    ),
    (
        |b| {
            b.set(
                "route_config/virtual_hosts/0/routes/0/match",
                "headers",
                json!([{"name": "X-Scope-OrgID", "present_match": true}]),
            )
        },
        |b| {
            b.set(
                "route_config/virtual_hosts/0/routes/0/match",
                "headers",
                json!([{"name": "x-other", "present_match": true}]),
            )
        },
        "warning",
        "routes[0].match.headers[0]",
        "selected again",
    ),
    (
        |b| {
            header(b);
            b.set(
                "route_config/virtual_hosts/0/routes/0/match",
                "headers",
                json!([{"name": "x-tenant", "present_match": true}]),
            )
        },
        header,
        "warning",
        "routes[0].match.headers[0]",
        "no longer matches",
    ),
    (
        |b| {
            b.configured(json!({"labels": [{"name": "tenant", "jwt_claim": "t"}], "tenant_header": "X-Team"})).set(
                "route_config/virtual_hosts/0/routes/0/match",
                "headers",
                json!([{"name": "x-team", "present_match": true}]),
            )
        },
        nothing,
        "warning",
        "routes[0].match.headers[0]",
        "no longer matches",
    ),
    (
        |b| {
            b.remove("", "route_config");
            b.set("", "rds", json!({"route_config_name": "x", "config_source": {"ads": {}}}))
        },
        nothing,
        "note",
        "typed_config.rds",
        "not known to this check",
    ),
    (
        |b| b.route("route", json!({"cluster_header": "x-cluster"})),
        nothing,
        "note",
        "route.cluster_header",
        "not known to this check",
    ),
];

//! Every setting with its name, type, default and bounds: one line each.
//!
//! The contract with operators; `envoy/config.schema.json` says the same to their editors.

use super::error::quoted;
use super::names;
use super::policy::{
    Alertmanager, AlertsFrom, AtSource, Audit, Conflicts, Explain, JwtMetadata, Limits, Metadata, PathPrefix, Policy,
    RemoteRead, ResponseHeaders, RulesApi, RulesOfOthers, SilenceWrites, Source, Targets, Ui, Warnings,
};
use super::raw::{Most, Section};
use super::rules::rules;
use crate::promql::{Dialect, Feature, Promql, TextLimits};

/// Reads all settings; what it returns is whole only when no problem was noted.
pub(super) fn policy(root: &mut Section<'_, '_>) -> Policy {
    let limits = root.section("limits", limits);
    let path_prefix = root.text("path_prefix", names::path_prefix).unwrap_or_default();
    let rules = rules(root, limits.values, &path_prefix);
    let policy = Policy {
        rules,
        jwt: root.section("jwt", jwt),
        route_metadata_namespace: root
            .text("route_metadata_namespace", names::not_empty)
            .unwrap_or_else(|| "prom-label-filter".to_owned()),
        conflicts: root.switch("error_on_replace", Conflicts::SelectNothing, Conflicts::Refused),
        rules_api: RulesApi {
            others: root.switch("rules_with_active_alerts", RulesOfOthers::Dropped, RulesOfOthers::KeptWithOwnAlerts),
            at_source: root.switch("enable_label_matchers_for_rules_api", AtSource::AsAsked, AtSource::Narrowed),
            alerts: root.switch("alerts_from_rules", AlertsFrom::Alerts, AlertsFrom::Rules),
        },
        metadata: root.word(
            "metadata",
            Metadata::Empty,
            &[("empty", Metadata::Empty), ("deny", Metadata::Deny), ("danger_pass", Metadata::DangerPass)],
        ),
        targets: root.word("targets", Targets::Deny, &[("deny", Targets::Deny), ("filter", Targets::Filter)]),
        remote_read: root.word(
            "remote_read",
            RemoteRead::Deny,
            &[("deny", RemoteRead::Deny), ("rewrite", RemoteRead::Rewrite)],
        ),
        ui: root.word("ui", Ui::Deny, &[("deny", Ui::Deny), ("pass", Ui::Pass)]),
        danger_passthrough_paths: root.set("danger_passthrough_paths", names::passthrough_path),
        alertmanager: root.section("alertmanager", |section| alertmanager(section, &path_prefix)),
        path_prefix,
        tenant_header: root.text("tenant_header", names::tenant_header).flatten(),
        warnings: root.word("warnings", Warnings::Pass, &[("pass", Warnings::Pass), ("scrub", Warnings::Scrub)]),
        response_headers: root.switch("hold_response_headers", ResponseHeaders::SentAtOnce, ResponseHeaders::Held),
        promql: Promql::new(root.section("promql", dialect), limits.text, limits.cache_bytes),
        extra_parameters: root.set("extra_parameters", names::parameter),
        explain: root.switch("explain", Explain::Off, Explain::On),
        audit: root.switch("audit_query", Audit::WithoutQueries, Audit::WithQueries),
        limits,
    };
    check(root, &policy);
    policy
}

/// Settings that do not go together.
fn check(root: &mut Section<'_, '_>, policy: &Policy) {
    if let Some(header) = &policy.tenant_header
        && policy.rules.iter().any(|rule| matches!(&rule.source, Source::Header { name, .. } if name == header))
    {
        // The upstream may trust it, and so may we: one of the two would be what a client sent.
        root.problem_at(
            "tenant_header",
            format!("{} is where a label comes from; name another header", quoted(header)),
        );
    }
    for name in policy.identity_parameters().filter(|name| policy.extra_parameters.contains(*name)) {
        root.problem_at(
            "extra_parameters",
            format!("{} is where a label comes from, and never goes on; remove it", quoted(name)),
        );
    }
    let by_path = policy.rules.iter().any(|rule| rule.source == Source::PathParam);
    if !by_path && let Some(name) = policy.path_prefix.name() {
        root.problem_at(
            "path_prefix",
            format!("names {}, which no label takes; give a label `path_param: {name}`", quoted(name)),
        );
    }
}

fn alertmanager(alertmanager: &mut Section<'_, '_>, prefix: &PathPrefix) -> Option<Alertmanager> {
    let enabled = alertmanager.flag("enabled", false);
    let path_prefix = alertmanager.text("path_prefix", names::path_prefix).unwrap_or_default();
    if enabled && path_prefix.name() != prefix.name() {
        alertmanager.problem_at(
            "path_prefix",
            "must name a segment if the other `path_prefix` does, and by the same name: a tenant is named on every path or on none",
        );
    }
    if enabled && path_prefix.named.is_some() && !alertmanager.has("cluster_path_prefix") {
        alertmanager.problem_at(
            "cluster_path_prefix",
            "is needed beside a named segment: what stands in front of `/api/v2` at Alertmanager itself, `/` for nothing",
        );
    }
    let served = Alertmanager {
        silence_writes: alertmanager.word(
            "silence_writes",
            SilenceWrites::Deny,
            &[("deny", SilenceWrites::Deny), ("allow", SilenceWrites::Allow)],
        ),
        cluster: alertmanager.text("cluster", names::not_empty).unwrap_or_else(|| "alertmanager".to_owned()),
        cluster_path_prefix: alertmanager
            .text("cluster_path_prefix", names::plain_prefix)
            .unwrap_or_else(|| path_prefix.before.clone()),
        path_prefix,
    };
    enabled.then_some(served)
}

fn jwt(jwt: &mut Section<'_, '_>) -> JwtMetadata {
    let default = JwtMetadata::default();
    JwtMetadata {
        namespace: jwt.text("metadata_namespace", names::not_empty).unwrap_or(default.namespace),
        payload_key: jwt.text("payload_key", names::not_empty).unwrap_or(default.payload_key),
    }
}

fn dialect(promql: &mut Section<'_, '_>) -> Dialect {
    let default = Dialect::default();
    Dialect {
        experimental_functions: feature(promql, "experimental_functions", default.experimental_functions),
        duration_expressions: feature(promql, "duration_expressions", default.duration_expressions),
        extended_range_selectors: feature(promql, "extended_range_selectors", default.extended_range_selectors),
        binop_fill_modifiers: feature(promql, "binop_fill_modifiers", default.binop_fill_modifiers),
        extra_functions: promql.set("extra_functions", names::function),
    }
}

fn feature(promql: &mut Section<'_, '_>, key: &'static str, default: Feature) -> Feature {
    if promql.flag(key, default == Feature::On) { Feature::On } else { Feature::Off }
}

fn limits(limits: &mut Section<'_, '_>) -> Limits {
    let default = Limits::default();
    let read = Limits {
        text: TextLimits {
            query_bytes: limits.count("query_bytes", default.text.query_bytes, &QUERY_BYTES),
            output_bytes: limits.count("output_bytes", default.text.output_bytes, &OUTPUT_BYTES),
            nesting: limits.count("nesting", default.text.nesting, &NESTING),
            selectors: limits.count("selectors", default.text.selectors, &SELECTORS),
        },
        form_bytes: limits.count("form_bytes", default.form_bytes, &FORM_BYTES),
        response_bytes: limits.count("response_bytes", default.response_bytes, &RESPONSE_BYTES),
        buffered_bytes: limits.count("buffered_bytes", default.buffered_bytes, &BUFFERED_BYTES),
        parameters: limits.count("parameters", default.parameters, &PARAMETERS),
        values: limits.count("values", default.values, &VALUES),
        cache_bytes: limits.count_from(0, "cache_bytes", default.cache_bytes, &CACHE_BYTES),
    };
    let at_most = read.response_bytes.saturating_mul(COPIES).saturating_add(read.buffered_bytes);
    if at_most > MEMORY {
        limits.problem(format!(
            "`buffered_bytes` and {COPIES} times `response_bytes` come to {at_most} bytes, and must not to more than {MEMORY}: the \
             module has 1 GiB of memory, and an answer needs several times its size"
        ));
    }
    read
}

/// How often an answer is copied at most, beside the bytes that are held of it: once for each list in a list.
const COPIES: usize = 4;

/// What answers may take of the module's memory of 1 GiB.
const MEMORY: usize = 900 << 20;

const QUERY_BYTES: Most = Most(1 << 20, "a longer query blocks Envoy's worker while it is read");
const OUTPUT_BYTES: Most = Most(8 << 20, "a longer query blocks Envoy's worker while it is written");
const NESTING: Most = Most(1_000, "deeper queries would exhaust the stack of the module");
const SELECTORS: Most = Most(100_000, "each one costs the upstream a search of its own");
// Go: net/http/request.go, parsePostForm reads 10 MiB
const FORM_BYTES: Most = Most(10 << 20, "the upstream reads no longer form");
const RESPONSE_BYTES: Most =
    Most(128 << 20, "an answer needs several times its size, and the module has 1 GiB of memory");
const BUFFERED_BYTES: Most = Most(512 << 20, "the module has 1 GiB of memory, and an answer needs twice its size");
// Go: net/url/url.go, parseQuery reads none of more than 10,000, and one a rule may be added
const PARAMETERS: Most = Most(9_992, "with more the upstream reads none of them, not even the tenant's matcher");
const CACHE_BYTES: Most = Most(64 << 20, "that is what all plugins of a worker remember together");
const VALUES: Most = Most(10_000, "all of them are written into each selector");

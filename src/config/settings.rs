//! Every setting with its name, type, default and bounds: one line each.
//!
//! The contract with operators; `envoy/config.schema.json` says the same to their editors.

use super::names;
use super::policy::{JwtMetadata, Limits, Metadata, Policy, ResponseHeaders};
use super::raw::{Most, Section};
use super::rules::rules;
use crate::promql::{Dialect, Feature, TextLimits};

/// Reads all settings; what it returns is whole only when no problem was noted.
pub(super) fn policy(root: &mut Section<'_, '_>) -> Policy {
    let limits = root.section("limits", limits);
    let rules = rules(root, limits.values);
    later(root);
    let held = root.flag("hold_response_headers", false);
    Policy {
        rules,
        jwt: root.section("jwt", jwt),
        route_metadata_namespace: root
            .text("route_metadata_namespace", names::not_empty)
            .unwrap_or_else(|| "prom-label-filter".to_owned()),
        path_prefix: root.text("path_prefix", names::path_prefix).unwrap_or_default(),
        metadata: root.word(
            "metadata",
            Metadata::Empty,
            &[("empty", Metadata::Empty), ("deny", Metadata::Deny), ("danger_pass", Metadata::DangerPass)],
        ),
        response_headers: if held { ResponseHeaders::Held } else { ResponseHeaders::SentAtOnce },
        dialect: root.section("promql", dialect),
        extra_parameters: root.set("extra_parameters", names::parameter),
        limits,
    }
}

/// Settings that are known and checked, but that nothing obeys yet: only their defaults are taken.
fn later(root: &mut Section<'_, '_>) {
    root.flag_later("error_on_replace", false);
    root.flag_later("rules_with_active_alerts", false);
    root.flag_later("enable_label_matchers_for_rules_api", false);
    root.word_later("targets", "deny", &["deny", "filter"]);
    root.word_later("remote_read", "deny", &["deny", "rewrite"]);
    root.word_later("ui", "deny", &["deny", "pass"]);
    root.texts_later("danger_passthrough_paths");
    root.section("alertmanager", |alertmanager| {
        alertmanager.flag_later("enabled", false);
        alertmanager.text_later("path_prefix", Some("/"));
        alertmanager.word_later("silence_writes", "deny", &["deny", "allow"]);
        alertmanager.text_later("cluster", Some("alertmanager"));
    });
    root.text_later("tenant_header", Some(""));
    root.word_later("warnings", "pass", &["pass", "scrub"]);
    root.flag_later("explain", false);
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
    Limits {
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
    }
}

const QUERY_BYTES: Most = Most(1 << 20, "a longer query blocks Envoy's worker while it is read");
const OUTPUT_BYTES: Most = Most(8 << 20, "a longer query blocks Envoy's worker while it is written");
const NESTING: Most = Most(1_000, "deeper queries would exhaust the stack of the module");
const SELECTORS: Most = Most(100_000, "each one costs the upstream a search of its own");
// Go: net/http/request.go, parsePostForm reads 10 MiB
const FORM_BYTES: Most = Most(10 << 20, "the upstream reads no longer form");
const RESPONSE_BYTES: Most =
    Most(128 << 20, "an answer needs several times its size, and the module has 1 GiB of memory");
const BUFFERED_BYTES: Most = Most(512 << 20, "the module has 1 GiB of memory, and an answer needs twice its size");
// Go: net/url/url.go, parseQuery reads none of more than 10,000, and one may be added
const PARAMETERS: Most = Most(9_999, "with more the upstream reads none of them, not even the tenant's matcher");
const VALUES: Most = Most(10_000, "all of them are written into each selector");

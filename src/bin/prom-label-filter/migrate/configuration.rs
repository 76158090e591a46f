//! prom-label-proxy's flags as a configuration of the filter, and what has no setting.
//!
//! Takes only flags that prom-label-proxy would start with.

use super::flags::Flags;
use super::refused::passthrough_paths;
use prom_label_filter::value::Value;

/// A configuration, and what must be known about it: about a flag or setting, and what.
#[derive(Debug)]
pub(crate) struct Migrated {
    pub(crate) configuration: Value,
    pub(crate) notes: Vec<(String, String)>,
}

/// The configuration that does what `flags` do, with the labels of a file in the place of those in the flags.
pub(crate) fn migrate(flags: &Flags, file: Option<Value>) -> Migrated {
    let mut notes = Notes(Vec::new());
    let mut settings = match file {
        Some(Value::Object(entries)) => entries,
        _ => vec![("labels".to_owned(), Value::List(vec![Value::Object(rule(flags, &mut notes))]))],
    };
    for (_, labels) in settings.iter_mut().filter(|(key, _)| key == "labels") {
        meaning(flags, labels, &mut notes);
    }
    if flags.is_on("error-on-replace") {
        settings.push(("error_on_replace".to_owned(), Value::Bool(true)));
    }
    rules_api(flags, &mut settings, &mut notes);
    pages(flags, &mut settings, &mut notes);
    let promql: Vec<_> = [
        ("enable-promql-experimental-functions", "experimental_functions"),
        ("enable-promql-duration-expression-parsing", "duration_expressions"),
        ("enable-promql-extended-range-selectors", "extended_range_selectors"),
        ("enable-promql-binop-fill-modifiers", "binop_fill_modifiers"),
    ]
    .into_iter()
    .filter(|(flag, _)| flags.is_on(flag))
    .map(|(_, setting)| (setting.to_owned(), Value::Bool(true)))
    .collect();
    if !promql.is_empty() {
        settings.push(("promql".to_owned(), Value::Object(promql)));
    }
    surroundings(flags, &mut notes);
    Migrated { configuration: Value::Object(settings), notes: notes.0 }
}

/// What is said beside the configuration.
struct Notes(Vec<(String, String)>);

impl Notes {
    fn add(&mut self, subject: &str, text: impl Into<String>) {
        self.0.push((subject.to_owned(), text.into()));
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// The one label of the flags and its source.
fn rule(flags: &Flags, notes: &mut Notes) -> Vec<(String, Value)> {
    let label = flags.text("label");
    if flags.all("label").len() > 1 {
        notes.add("-label", "is given more than once; prom-label-proxy takes the last, and so does this");
    }
    let written = flags.all("label-value");
    let values: Vec<Value> = written.iter().filter(|value| !value.is_empty()).map(|value| text(value)).collect();
    if values.len() < written.len() {
        notes.add("-label-value", "an empty one counts for nothing in prom-label-proxy, and is left out");
    }
    let source = if !values.is_empty() {
        ("values", Value::List(values))
    } else if flags.text("header-name").is_empty() {
        let named = flags.text("query-param");
        ("query_param", text(if named.is_empty() { label } else { named }))
    } else {
        ("header", text(flags.text("header-name")))
    };
    vec![("name".to_owned(), text(label)), (source.0.to_owned(), source.1)]
}

/// What the flags say of every rule, and what its source asks for.
fn meaning(flags: &Flags, labels: &mut Value, notes: &mut Notes) {
    let Value::List(rules) = labels else { return };
    let mut headers = 0_usize;
    for rule in rules {
        let Value::Object(entries) = rule else { continue };
        let source = |key: &str| entries.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_str());
        if let Some(name) = source("header") {
            headers = headers.saturating_add(1);
            notes.add(
                &format!("header: {name}"),
                "anyone can send it, as with prom-label-proxy: what sets it in front must remove what the client sent. Missing is a \
                 401 and not a 400; an empty one is refused and not left out; it does not go upstream.",
            );
            if flags.is_on("header-uses-list-syntax") {
                entries.push(("header_uses_list_syntax".to_owned(), Value::Bool(true)));
            }
        } else if let Some(name) = source("query_param") {
            notes.add(
                &format!("query_param: {name}"),
                "anyone can send it: what sets it in front must replace what the client sent. It belongs in the URL: a form may \
                 repeat what the URL says, and name a tenant only where the URL does not. Missing is a 401 and not a 400; an empty one is refused and not left out. A token's \
                 claim (`jwt_claim`) or the route (`route_metadata`) needs no such trust.",
            );
        }
        if flags.is_on("regex-match") {
            entries.push(("regex_match".to_owned(), Value::Bool(true)));
            for (_, values) in entries.iter_mut().filter(|(key, _)| key == "values") {
                without_anchors(values, notes);
            }
        }
    }
    if flags.is_on("header-uses-list-syntax") && headers == 0 {
        notes.add("-header-uses-list-syntax", "has no effect without `-header-name`, and is left out");
    }
}

/// Prometheus matches a pattern with the whole value, so that an anchor at its ends says nothing; the filter reads none.
fn without_anchors(values: &mut Value, notes: &mut Notes) {
    let Value::List(values) = values else { return };
    for value in values {
        let Value::String(pattern) = value else { continue };
        let mut plain = pattern.trim_start_matches('^');
        while let Some(shorter) = plain.strip_suffix('$') {
            let escapes = shorter.bytes().rev().take_while(|byte| *byte == b'\\').count();
            if escapes % 2 == 1 {
                break;
            }
            plain = shorter;
        }
        if plain != pattern {
            notes.add(
                "-label-value",
                format!("`{pattern}` is written `{plain}`: a pattern always stands for the whole value, and the filter reads no anchors"),
            );
            *value = text(plain);
        }
    }
}

/// Of two settings for rules, the one that counts in prom-label-proxy.
// prom-label-proxy: injectproxy/routes.go, NewRoutes (modifiers)
fn rules_api(flags: &Flags, settings: &mut Vec<(String, Value)>, notes: &mut Notes) {
    let with_alerts = flags.is_on("rules-with-active-alerts");
    if flags.is_on("enable-label-matchers-for-rules-api") {
        settings.push(("enable_label_matchers_for_rules_api".to_owned(), Value::Bool(true)));
        if with_alerts {
            notes.add(
                "-rules-with-active-alerts",
                "has no effect beside `-enable-label-matchers-for-rules-api` in prom-label-proxy, and is left out; in the filter it \
                 would be the other way round",
            );
        }
    } else if with_alerts {
        settings.push(("rules_with_active_alerts".to_owned(), Value::Bool(true)));
    }
}

/// Paths that pass, and those that need no flag.
fn pages(flags: &Flags, settings: &mut Vec<(String, Value)>, notes: &mut Notes) {
    let paths = passthrough_paths(flags);
    if !paths.is_empty() {
        let plain = paths.iter().map(|path| text(path.strip_suffix('/').unwrap_or(path))).collect();
        settings.push(("danger_passthrough_paths".to_owned(), Value::List(plain)));
        notes.add(
            "-unsafe-passthrough-paths",
            "passes for GET and HEAD, and exactly as written; prom-label-proxy lets every method pass, and everything beneath it. \
             Prometheus's and Thanos's pages need no paths here: `ui: pass`.",
        );
    }
    if !flags.is_on("enable-label-apis") {
        notes.add("-enable-label-apis", "is not given, but the filter always serves labels and their values, narrowed");
    }
}

/// What Envoy does, and not the filter.
fn surroundings(flags: &Flags, notes: &mut Notes) {
    for (flag, place) in [
        ("insecure-listen-address", "the `address` of Envoy's listener"),
        (
            "internal-listen-address",
            "the `address` of Envoy's `admin`, whose `/stats/prometheus` has the filter's metrics as well",
        ),
        ("upstream", "the cluster that the routes lead to; a path in the URL is the route's `prefix_rewrite`"),
        ("upstream-ca-cert", "`trusted_ca` in the `validation_context` of the cluster's `transport_socket`"),
        ("upstream-client-cert", "`certificate_chain` in the `tls_certificates` of the cluster's `transport_socket`"),
        ("upstream-client-key", "`private_key` in the `tls_certificates` of the cluster's `transport_socket`"),
        ("upstream-server-name", "`sni` and `match_typed_subject_alt_names` of the cluster's `transport_socket`"),
    ] {
        let value = flags.text(flag);
        if !value.is_empty() {
            notes.add(&format!("-{flag}"), format!("`{value}` becomes {place}"));
        }
    }
    if flags.is_on("insecure-skip-verify") {
        notes.add(
            "-insecure-skip-verify",
            "is what a `transport_socket` without a `validation_context` does; better give it a `trusted_ca`",
        );
    }
    notes.add(
        "Alertmanager",
        "prom-label-proxy always serves its `/api/v2`. If that is your upstream, add `alertmanager: {enabled: true, silence_writes: \
         allow, cluster: <its cluster in Envoy>}`.",
    );
}

//! The settings of one rule of `labels`.

use super::error::quoted;
use super::names;
use super::policy::{CertificatePart, HeaderSyntax, LabelRule, Meaning, PathPrefix, PeerCertificate, Source, Unmapped};
use super::raw::{Check, Section};
use crate::scope::pattern::Patterns;
use crate::scope::{LabelName, LabelValue, LabelValues};
use std::collections::BTreeMap;

/// More rules than this are refused.
const MOST_RULES: usize = 8;

/// What an operator needs to begin with.
const SMALLEST: &str = r#"is needed: which label to enforce and where its value comes from; the smallest configuration is {"labels":[{"name":"tenant","jwt_claim":"tenant"}]}"#;

/// Every way to say where a tenant comes from; a rule has exactly one.
const SOURCES: [&str; 7] =
    ["jwt_claim", "header", "query_param", "route_metadata", "path_param", "peer_certificate", "values"];

/// The rules of `labels`; those without a problem, at least.
pub(super) fn rules(root: &mut Section<'_, '_>, most_values: usize, prefix: &PathPrefix) -> Vec<LabelRule> {
    let mut named: BTreeMap<LabelName, usize> = BTreeMap::new();
    let rules = root.sections("labels", |index, label| rule(index, label, &mut named, most_values, prefix));
    match &rules {
        Some(rules) if rules.is_empty() => root.problem_at("labels", "must hold at least one rule"),
        Some(rules) if rules.len() > MOST_RULES => {
            root.problem_at("labels", format!("must hold at most {MOST_RULES} rules, not {}", rules.len()));
        }
        Some(_) => {}
        None if root.has("labels") => {}
        None => root.problem_at("labels", SMALLEST),
    }
    rules.into_iter().flatten().flatten().collect()
}

fn rule(
    index: usize,
    label: &mut Section<'_, '_>,
    named: &mut BTreeMap<LabelName, usize>,
    most_values: usize,
    prefix: &PathPrefix,
) -> Option<LabelRule> {
    let name = label.text("name", names::label_name);
    if !label.has("name") {
        label.problem_at("name", "is needed: the label to enforce");
    }
    if let Some(name) = &name {
        if let Some(first) = named.get(name) {
            let message =
                format!("{} is the label of `labels[{first}]` already; keep one rule a label", quoted(name.as_str()));
            label.problem_at("name", message);
        } else {
            named.insert(name.clone(), index);
        }
    }
    let meaning =
        if label.flag("regex_match", false) { Meaning::Pattern(Patterns::default()) } else { Meaning::Literal };
    let source = source(label, &meaning, most_values, prefix);
    let values_map = values_map(label, &meaning, most_values);
    let unmapped = if label.flag("values_map_only", false) { Unmapped::Refused } else { Unmapped::StaysItself };
    let danger_unrestricted = label.set("danger_unrestricted", names::identity);
    if unmapped == Unmapped::Refused && label.lacks("values_map") && danger_unrestricted.is_empty() {
        label.problem_at("values_map_only", "needs `values_map`: without it every identity is refused");
    }
    Some(LabelRule { name: name?, source: source?, meaning, values_map, unmapped, danger_unrestricted })
}

/// Reads every source that is written, so that all their problems show, and takes the only one.
fn source(label: &mut Section<'_, '_>, meaning: &Meaning, most_values: usize, prefix: &PathPrefix) -> Option<Source> {
    let claim = label.segments("jwt_claim", names::not_empty);
    let header = label.text("header", names::header_name);
    let syntax =
        if label.flag("header_uses_list_syntax", false) { HeaderSyntax::CommaList } else { HeaderSyntax::ValuePerLine };
    if syntax == HeaderSyntax::CommaList && !label.has("header") {
        label.problem_at("header_uses_list_syntax", "needs `header`; remove it or name the header");
    }
    let query_param = label.text("query_param", names::identity_parameter);
    let metadata = label.segments("route_metadata", names::not_empty);
    let path_param = label.text("path_param", names::not_empty);
    if let Some(name) = path_param.as_deref().filter(|name| Some(*name) != prefix.name()) {
        let message = format!("names no segment of `path_prefix`; write `path_prefix: /tenants/{{{name}}}`, say");
        label.problem_at("path_param", message);
    }
    let part = label.word(
        "peer_certificate",
        None,
        &[
            ("uri_san", Some(CertificatePart::UriSan)),
            ("dns_san", Some(CertificatePart::DnsSan)),
            ("subject_cn", Some(CertificatePart::SubjectCn)),
            ("subject_ou", Some(CertificatePart::SubjectOu)),
            ("subject_o", Some(CertificatePart::SubjectO)),
        ],
    );
    let pattern = label.text("pattern", names::capture);
    if label.has("pattern") && !label.has("peer_certificate") {
        label.problem_at("pattern", "needs `peer_certificate`; remove it");
    }
    let values = label.texts("values", value_of(meaning));
    if let Some(problem) = values.as_ref().and_then(|values| too_many(values, meaning, most_values)) {
        label.problem_at("values", problem);
    }

    let written: Vec<_> = SOURCES.iter().filter(|source| label.has(source)).map(|source| quoted(source)).collect();
    if written.is_empty() {
        let all = SOURCES.map(quoted).join(", ");
        label.problem(format!("needs a source for the label's value, one of {all}"));
    } else if written.len() > 1 {
        label.problem(format!("has {} sources, {}; keep one", written.len(), written.join(" and ")));
    }

    let values = values.and_then(LabelValues::new).map(|values| Source::Static(values.as_slice().to_vec()));
    let header = header.map(|name| Source::Header { name, syntax });
    claim
        .map(Source::JwtClaim)
        .or(header)
        .or(query_param.map(Source::QueryParam))
        .or(metadata.map(Source::RouteMetadata))
        .or(path_param.map(|_| Source::PathParam))
        .or(part.map(|part| Source::PeerCertificate(PeerCertificate { part, pattern })))
        .or(values)
}

fn values_map(label: &mut Section<'_, '_>, meaning: &Meaning, most_values: usize) -> BTreeMap<String, LabelValues> {
    let map: BTreeMap<String, Vec<LabelValue>> = label.map("values_map", value_of(meaning));
    for (identity, values) in &map {
        if let Some(problem) = too_many(values, meaning, most_values) {
            label.problem_at("values_map", format!("{} {problem}", quoted(identity)));
        }
    }
    map.into_iter().filter_map(|(identity, values)| Some((identity, LabelValues::new(values)?))).collect()
}

/// What one of a rule's values must be.
fn value_of(meaning: &Meaning) -> Check<LabelValue> {
    match meaning {
        Meaning::Literal => names::label_value,
        Meaning::Pattern(_) => names::pattern,
    }
}

/// What is wrong with the number of values.
fn too_many(values: &[LabelValue], meaning: &Meaning, most: usize) -> Option<String> {
    let count = values.len();
    match meaning {
        Meaning::Literal => (count > most)
            .then(|| format!("has {count} values, more than `limits.values` allows ({most}); raise that limit")),
        Meaning::Pattern(_) => {
            (count > 1).then(|| format!("has {count} patterns, and `regex_match` takes one; join them: `a|b`"))
        }
    }
}

//! A rule that reads a token's claim, and the filter that verifies the token.
//!
//! Must not know other sources.

use super::envoy::{Filter, Manager};
use super::finding::Findings;
use super::node::Node;
use super::plugin::Plugin;
use super::settings::Settings;

/// Where jwt_authn leaves payloads, whatever the filter is called.
// Envoy: source/extensions/filters/http/jwt_authn/filter.cc (setExtractedData)
pub(crate) const NAMESPACE: &str = "envoy.filters.http.jwt_authn";

/// Checks what stands in front of `plugin` for the rule whose source stands at `path`.
pub(crate) fn check(
    manager: &Manager<'_>,
    plugin: &Plugin<'_, '_>,
    settings: &Settings,
    path: &str,
    findings: &mut Findings,
) {
    if settings.jwt_namespace() != NAMESPACE {
        findings.warning(
            &format!("{}jwt.metadata_namespace", settings.path()),
            format!(
                "jwt_authn leaves tokens under `{NAMESPACE}`, so every request is a 401 unless another filter writes `{}`; then let \
                 that filter write nothing that it has not verified",
                settings.jwt_namespace()
            ),
        );
        return;
    }
    let is_verifier = |filter: &&Filter<'_>| filter.kind == "JwtAuthentication" && !filter.is_disabled();
    let mut before = manager.filters.iter().take_while(|filter| filter.node.path != plugin.filter.node.path);
    let verifier = before.find(is_verifier);
    let Some(verifier) = verifier else {
        match manager.filters.iter().find(is_verifier) {
            Some(late) => findings.error(
                &late.node.path,
                format!(
                    "runs after `{}`, which finds no token: every request is a 401; move it in front",
                    plugin.filter.name
                ),
            ),
            None => findings.error(
                path,
                "no jwt_authn in front of the filter: nothing verifies a token, and every request is a 401; add \
                 `envoy.filters.http.jwt_authn` with `payload_in_metadata`",
            ),
        }
        return;
    };
    providers(verifier, settings, findings);
    requirements(&verifier.settings, findings);
    coverage(&verifier.settings, findings);
}

/// Whether tokens are left where the filter looks for them.
fn providers(verifier: &Filter<'_>, settings: &Settings, findings: &mut Findings) {
    let key = settings.payload_key();
    let providers = verifier.settings.get("providers").map(|node| node.entries()).unwrap_or_default();
    if providers.is_empty() {
        findings
            .error(&verifier.settings.path, "has no providers: nothing verifies a token, and every request is a 401");
    }
    for (name, provider) in providers {
        let (path, problem) = match provider.get("payload_in_metadata") {
            Some(found) if found.value.as_str() == Some(key) => continue,
            Some(found) => {
                (found.path, format!("the filter looks for `{key}` (`jwt.payload_key`), and not for what stands here"))
            }
            None => (provider.path, format!("has no `payload_in_metadata: {key}`")),
        };
        findings
            .error(&path, format!("{problem}: every request with a token of `{name}` is a 401; make the two the same"));
    }
}

/// What lets requests pass without a good token.
fn requirements(settings: &Node<'_>, findings: &mut Findings) {
    for node in settings.within() {
        if let Some(missing) = node.get("allow_missing") {
            findings.note(
                &missing.path,
                "a request without a token goes on to the filter, which refuses it; whatever else stands behind must refuse it too",
            );
        }
        if let Some(failed) = node.get("allow_missing_or_failed") {
            findings.warning(
                &failed.path,
                "a request with a forged or expired token goes on as if it had none; the filter refuses it, but its user is not \
                 told why; use `allow_missing`, or nothing",
            );
        }
    }
}

/// Whether each path needs a token.
fn coverage(settings: &Node<'_>, findings: &mut Findings) {
    let mut whole = false;
    for rule in settings.items("rules") {
        // Envoy: the first rule that matches counts, and one that requires nothing verifies nothing.
        let requires = rule.get("requires").or_else(|| rule.get("requirement_name")).is_some();
        if !requires && !whole {
            findings.warning(
                &rule.path,
                "requires no token: a request there is a 401 in the filter, even with a good token; add `requires`",
            );
        }
        let Some(matched) = rule.get("match") else { continue };
        let everywhere = matched.text("prefix") == Some("/")
            && matched.items("headers").is_empty()
            && matched.items("query_parameters").is_empty();
        whole |= everywhere;
    }
    if !whole {
        findings.warning(
            &format!("{}.rules", settings.path),
            "no rule matches every path, and where none does no token is read: a request there is a 401 in the filter; add one with \
             `match: {prefix: /}`",
        );
    }
}

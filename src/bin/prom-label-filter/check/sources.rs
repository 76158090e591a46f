//! What each source of an identity asks of the connection manager and its listener.
//!
//! Tokens have a module of their own. Must not know routes.

use super::envoy::{Manager, type_of};
use super::finding::Findings;
use super::jwt;
use super::node::Node;
use super::plugin::Plugin;
use super::settings::{Settings, Source, SourceKind};
use prom_label_filter::value::Value;

/// Checks everything that stands in front of `plugin` for its sources.
pub(crate) fn check(manager: &Manager<'_>, plugin: &Plugin<'_, '_>, settings: &Settings, findings: &mut Findings) {
    for Source { path, kind } in settings.sources() {
        match kind {
            SourceKind::JwtClaim => jwt::check(manager, plugin, settings, &path, findings),
            SourceKind::Header(name) => header(manager, plugin, &path, &name, findings),
            SourceKind::PeerCertificate => certificate(manager, &path, findings),
            SourceKind::QueryParam(_) => parameter(manager, plugin, findings),
            SourceKind::PathParam => path_of_a_tenant(manager, plugin, &path, findings),
            // Of routes.
            SourceKind::RouteMetadata(_) => {}
        }
    }
}

/// Whether a client can send the header.
fn header(manager: &Manager<'_>, plugin: &Plugin<'_, '_>, path: &str, name: &str, findings: &mut Findings) {
    let early = manager.node.items("early_header_mutation_extensions");
    if early.iter().any(|extension| replaces(extension, name)) {
        return;
    }
    let in_front = manager.filters.iter().take_while(|filter| filter.node.path != plugin.filter.node.path);
    for filter in in_front.filter(|filter| !filter.is_disabled()) {
        match filter.kind {
            "HeaderMutation"
                if filter
                    .settings
                    .at("mutations.request_mutations")
                    .is_some_and(|mutations| replaces(&mutations, name)) =>
            {
                return;
            }
            "HeaderMutation" => {}
            "ExtAuthz" => {
                findings.note(
                    path,
                    format!(
                        "`{}` must set or remove `{name}` on every request: what it leaves alone is what the client sent",
                        filter.name
                    ),
                );
                return;
            }
            "JwtAuthentication" if filter.settings.within().iter().any(|node| writes(node, name)) => return,
            // These read headers.
            "JwtAuthentication" | "RBAC" => {}
            // A filter that is told the header's name writes it.
            _ if filter.settings.mentions(name) => return,
            _ => {}
        }
    }
    findings.warning(
        path,
        format!(
            "anyone can send `{name}` and choose a tenant: nothing in front removes it; add \
             `early_header_mutation_extensions` with `remove: {name}`"
        ),
    );
}

/// Whether jwt_authn writes the header, and removes what a client sent.
fn writes(node: &Node<'_>, name: &str) -> bool {
    let is_name = |found: Option<&str>| found.is_some_and(|found| found.eq_ignore_ascii_case(name));
    is_name(node.text("header_name")) || is_name(node.text("forward_payload_header"))
}

/// Whether anything decides who may use which path.
fn path_of_a_tenant(manager: &Manager<'_>, plugin: &Plugin<'_, '_>, path: &str, findings: &mut Findings) {
    let mut in_front = manager.filters.iter().take_while(|filter| filter.node.path != plugin.filter.node.path);
    // A token that jwt_authn has verified says who somebody is, and not which path is theirs.
    if !in_front.any(|filter| !filter.is_disabled() && matches!(filter.kind, "RBAC" | "ExtAuthz")) {
        findings.warning(
            path,
            "anyone can write any path and choose a tenant: nothing in front decides who may use which; add RBAC or `ext_authz`",
        );
    }
}

/// Whether a mutation in here leaves nothing of what a client sent as `name`.
fn replaces(mutations: &Node<'_>, name: &str) -> bool {
    let is_name = |found: Option<&str>| found.is_some_and(|found| found.eq_ignore_ascii_case(name));
    mutations.within().iter().any(|node| {
        let overwrites =
            matches!(node.text("append_action"), Some("OVERWRITE_IF_EXISTS_OR_ADD" | "OVERWRITE_IF_EXISTS"));
        is_name(node.text("remove")) || overwrites && is_name(node.get("header").and_then(|header| header.text("key")))
    })
}

/// Whether what Envoy itself does to parameters lets a client add one.
// Seen of Envoy 1.40: it decodes the parameters that it reads, and does not encode them when it writes them back.
fn parameter(manager: &Manager<'_>, plugin: &Plugin<'_, '_>, findings: &mut Findings) {
    let in_front = manager.filters.iter().take_while(|filter| filter.node.path != plugin.filter.node.path);
    for filter in in_front.filter(|filter| filter.kind == "HeaderMutation") {
        if let Some(mutations) = filter.settings.at("mutations.query_parameter_mutations") {
            findings.error(
                &mutations.path,
                "writes decoded parameters: of `x=a%26tenant=b` it makes two, and a client chooses a tenant; set the parameter in a \
                 proxy in front of this one, or use another source",
            );
        }
    }
}

/// Whether the certificate is there, and is verified.
fn certificate(manager: &Manager<'_>, path: &str, findings: &mut Findings) {
    let socket = manager.filter_chain.at("transport_socket.typed_config");
    // Envoy: QUIC wraps the same context.
    let context = socket.and_then(|socket| match type_of(&socket) {
        Some("DownstreamTlsContext") => Some(socket),
        _ => socket.get("downstream_tls_context"),
    });
    let Some(context) = context else {
        findings.error(
            &manager.filter_chain.path,
            "has no TLS, so no client has a certificate and every request is a 401; add a `transport_socket` with a \
             `DownstreamTlsContext`",
        );
        return;
    };
    if !context.is_true("require_client_certificate") {
        findings.error(
            &context.path,
            format!(
                "clients may come without a certificate, which `{path}` needs; set `require_client_certificate: true`"
            ),
        );
    }
    let validation = [
        "common_tls_context.validation_context",
        "common_tls_context.combined_validation_context.default_validation_context",
    ]
    .iter()
    .find_map(|keys| context.at(keys));
    // The trusted CA may come by SDS, which is not here.
    let discovered = [
        "common_tls_context.validation_context_sds_secret_config",
        "common_tls_context.combined_validation_context.validation_context_sds_secret_config",
    ]
    .iter()
    .any(|keys| context.at(keys).is_some());
    let trusts =
        |node: &Node<'_>| node.get("trusted_ca").or_else(|| node.get("ca_certificate_provider_instance")).is_some();
    if !discovered && !validation.as_ref().is_some_and(trusts) {
        findings.error(
            &context.path,
            "trusts nobody in particular: any certificate is taken, one that its owner made as well; add a `validation_context` \
             with `trusted_ca`",
        );
    }
    if let Some(accepting) = validation.and_then(|node| node.get("trust_chain_verification"))
        && (accepting.value.as_str() == Some("ACCEPT_UNTRUSTED")
            || matches!(accepting.value, Value::Number(number) if *number > 0.0))
    {
        findings.error(&accepting.path, "a certificate that anyone made names its tenant; remove this");
    }
}

//! Routes: which of them the filter guards, which go around it to the same cluster, and how they are chosen again.
//!
//! Must not know how a tenant is read, but for metadata and path.

use super::envoy::{Envoy, Manager, Route};
use super::finding::Findings;
use super::node::Node;
use super::plugin::Plugin;
use super::settings::{Settings, SourceKind};
use prom_label_filter::value::Value;
use std::collections::BTreeSet;

/// Uses of the filter in one connection manager.
pub(crate) type Guards<'m, 'v> = Vec<Plugin<'m, 'v>>;

/// Checks the routes of all managers together: what is guarded in one must be guarded in each.
pub(crate) fn check(envoy: &Envoy<'_>, guards: &[Guards<'_, '_>], findings: &mut Findings) {
    let mut guarded: BTreeSet<&str> = BTreeSet::new();
    for (manager, plugins) in envoy.managers.iter().zip(guards) {
        for route in &manager.routes {
            let running: Vec<_> = plugins.iter().filter(|plugin| route.runs(plugin.filter)).collect();
            if !running.is_empty() {
                guarded.insert(route.cluster);
            }
            for settings in running.iter().filter_map(|plugin| plugin.settings.as_ref()) {
                chosen_again(route, settings, findings);
                identity(manager, route, settings, findings);
            }
        }
        if !plugins.is_empty() {
            unread(manager, findings);
        }
    }
    for (manager, plugins) in envoy.managers.iter().zip(guards) {
        for route in manager.routes.iter().filter(|route| !plugins.iter().any(|plugin| route.runs(plugin.filter))) {
            if let Some(same) = guarded.iter().find(|cluster| envoy.are_same(cluster, route.cluster)) {
                unguarded(route, same, plugins, findings);
            }
        }
        off_everywhere(manager, plugins, findings);
    }
    for proxy in &envoy.tcp_proxies {
        let weighted = proxy.get("weighted_clusters").map(|node| node.items("clusters")).unwrap_or_default();
        let names = weighted.iter().filter_map(|cluster| cluster.text("name")).chain(proxy.text("cluster"));
        for cluster in names.filter(|name| guarded.iter().any(|cluster| envoy.are_same(cluster, name))) {
            findings.error(
                &proxy.path,
                format!("leads to `{cluster}` past every HTTP filter, prom-label-filter too: unprotected; remove it"),
            );
        }
    }
}

/// A route that goes around the filter to what others reach through it, as the cluster `same`.
fn unguarded(route: &Route<'_>, same: &str, plugins: &Guards<'_, '_>, findings: &mut Findings) {
    let why = if plugins.is_empty() {
        "has no prom-label-filter in front"
    } else if plugins.iter().all(|plugin| plugin.filter.is_disabled()) {
        "does not switch prom-label-filter on, which is `disabled: true`"
    } else {
        "switches prom-label-filter off"
    };
    let known = if same == route.cluster { String::new() } else { format!(" as `{same}`") };
    findings.error(
        &route.node.path,
        format!(
            "unprotected: leads to `{}`, which is guarded elsewhere{known}, and {why}; everybody's series can be read here",
            route.cluster
        ),
    );
}

/// A filter that runs on no route, or only where one switches it on.
fn off_everywhere(manager: &Manager<'_>, plugins: &Guards<'_, '_>, findings: &mut Findings) {
    for plugin in plugins {
        let runs = !manager.unread_routes.is_empty() || manager.routes.iter().any(|route| route.runs(plugin.filter));
        match (plugin.filter.is_disabled(), runs) {
            (true, false) => findings.error(
                &plugin.filter.node.path,
                "is `disabled: true` and no route switches it on: nothing is protected; remove `disabled`",
            ),
            (true, true) => findings.warning(
                &plugin.filter.node.path,
                "is `disabled: true`: a route that forgets to switch it on is open; leave it on, and tell tenants apart by route \
                 metadata",
            ),
            (false, false) if !manager.routes.is_empty() => findings.error(
                &plugin.filter.node.path,
                "is switched off by every route: nothing is protected; remove `disabled` from their `typed_per_filter_config`",
            ),
            (false, _) => {}
        }
    }
}

/// The filter changes the path, and Envoy then selects the route again.
fn chosen_again(route: &Route<'_>, settings: &Settings, findings: &mut Findings) {
    let Some(matched) = route.node.get("match") else { return };
    if let Some(parameters) = matched.get("query_parameters") {
        findings.warning(
            &parameters.path,
            "the route is selected again after parameters have changed: one that is removed leads to another route; match on \
             paths, hosts or ports",
        );
    }
    let removed = settings.removed_headers();
    for header in matched.items("headers") {
        if let Some(name) =
            header.text("name").filter(|name| removed.iter().any(|gone| gone.eq_ignore_ascii_case(name)))
        {
            findings.warning(
                &header.path,
                format!(
                    "the route is selected again after the filter has removed `{name}`, and this one no longer matches; match on \
                     paths, hosts or ports"
                ),
            );
        }
    }
}

/// Whether a request on this route can have the identity that comes from a route.
fn identity(manager: &Manager<'_>, route: &Route<'_>, settings: &Settings, findings: &mut Findings) {
    for source in settings.sources() {
        match source.kind {
            SourceKind::RouteMetadata(segments) => metadata(manager, route, settings, &segments, findings),
            SourceKind::PathParam => path(route, findings),
            SourceKind::JwtClaim | SourceKind::Header(_) | SourceKind::QueryParam(_) | SourceKind::PeerCertificate => {}
        }
    }
}

fn metadata(
    manager: &Manager<'_>,
    route: &Route<'_>,
    settings: &Settings,
    segments: &[String],
    findings: &mut Findings,
) {
    let namespace = settings.route_namespace();
    let key = segments.join(".");
    // The filter: the first place that has the key decides.
    let places = [&route.node, &route.host, &manager.listener];
    match places.into_iter().find_map(|place| named(place, namespace, segments)) {
        None => findings.warning(
            &route.node.path,
            format!(
                "names no tenant: neither the route nor its virtual host nor the listener has `{key}` in the metadata \
                 `{namespace}`, so every request here is a 403"
            ),
        ),
        Some(found) if !is_identity(found) => findings.warning(
            &route.node.path,
            format!(
                "names a tenant in a way that is refused: `{key}` in the metadata `{namespace}` must be a string or a list of \
                 strings, none of them empty"
            ),
        ),
        Some(_) => {}
    }
}

/// The value at the end of `segments` in the metadata of a route, a virtual host or a listener.
fn named<'v>(place: &Node<'v>, namespace: &str, segments: &[String]) -> Option<&'v Value> {
    let namespace = place.at("metadata.filter_metadata")?.value.get(namespace)?;
    segments.iter().try_fold(namespace, |value, segment| value.get(segment))
}

fn is_identity(value: &Value) -> bool {
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    match value {
        Value::List(items) => !items.is_empty() && items.iter().all(is_text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => is_text(value),
    }
}

fn path(route: &Route<'_>, findings: &mut Findings) {
    let action = route.node.get("route");
    let rewrites = ["prefix_rewrite", "regex_rewrite", "path_rewrite_policy"];
    if !rewrites.iter().any(|key| action.as_ref().is_some_and(|action| action.get(key).is_some())) {
        findings.note(
            &route.node.path,
            "the upstream gets the path with the tenant in it, which Prometheus does not serve; strip it with `regex_rewrite` or \
             `prefix_rewrite`",
        );
    }
}

/// What cannot be looked at from here.
fn unread(manager: &Manager<'_>, findings: &mut Findings) {
    for node in &manager.unread_routes {
        findings.note(
            &node.path,
            "routes that are chosen here are not known to this check: see yourself that none leads around the filter",
        );
    }
}

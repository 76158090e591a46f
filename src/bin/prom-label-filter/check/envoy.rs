//! Envoy's configuration as far as the filter is concerned: connection managers with their filters and routes.
//!
//! Finds and does not judge. Knows the shape of Envoy's documents, and nothing of the plugin's settings.

use super::node::Node;
use std::collections::{BTreeMap, BTreeSet};

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A configuration of the plugin alone.
    Plugin,
    /// What Envoy starts with.
    Bootstrap,
    /// One listener.
    Listener,
    /// What a control plane sends, or a file that stands in for one: listeners, routes, extensions.
    DiscoveryResponse,
    /// One filter, as extensions are discovered.
    Extension,
}

impl Kind {
    pub(crate) fn of(document: &Node<'_>) -> Self {
        let has = |key| document.get(key).is_some();
        let is = |kind: &str| type_of(document) == Some(kind);
        if has("labels") {
            Self::Plugin
        } else if has("static_resources") || has("dynamic_resources") {
            Self::Bootstrap
        } else if has("resources") {
            Self::DiscoveryResponse
        } else if has("filter_chains") || has("default_filter_chain") || is("Listener") {
            Self::Listener
        } else if has("typed_config") || is("TypedExtensionConfig") {
            Self::Extension
        } else if has("admin") || has("node") {
            Self::Bootstrap
        } else {
            Self::Plugin
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Plugin => "configuration of the filter",
            Self::Bootstrap => "Envoy bootstrap",
            Self::Listener => "Envoy listener",
            Self::DiscoveryResponse => "Envoy discovery response",
            Self::Extension => "Envoy extension",
        }
    }
}

/// Everything in a document that carries requests, or could.
#[derive(Debug, Default)]
pub(crate) struct Envoy<'v> {
    pub(crate) managers: Vec<Manager<'v>>,
    /// TCP proxies: they carry requests past every HTTP filter.
    pub(crate) tcp_proxies: Vec<Node<'v>>,
    /// Filters that stand alone, for listeners elsewhere.
    pub(crate) extensions: Vec<Filter<'v>>,
    /// Clusters with the addresses of their endpoints.
    clusters: BTreeMap<&'v str, BTreeSet<String>>,
}

/// An HTTP connection manager and what surrounds it.
#[derive(Debug)]
pub(crate) struct Manager<'v> {
    /// Its own settings.
    pub(crate) node: Node<'v>,
    pub(crate) listener: Node<'v>,
    pub(crate) filter_chain: Node<'v>,
    pub(crate) filters: Vec<Filter<'v>>,
    pub(crate) routes: Vec<Route<'v>>,
    /// Virtual hosts whose routes are chosen in a way that is not read here, and routes that come from elsewhere.
    pub(crate) unread_routes: Vec<Node<'v>>,
}

/// An HTTP filter.
#[derive(Debug)]
pub(crate) struct Filter<'v> {
    pub(crate) node: Node<'v>,
    pub(crate) name: &'v str,
    /// The last part of its type's name; empty where its configuration is discovered.
    pub(crate) kind: &'v str,
    /// Its settings; the filter itself where they are discovered.
    pub(crate) settings: Node<'v>,
}

impl<'v> Filter<'v> {
    /// The filter in an entry of `http_filters`, or in an extension of its own.
    pub(crate) fn read(node: &Node<'v>) -> Option<Self> {
        let name = node.text("name").unwrap_or_default();
        if let Some((kind, settings)) = node.get("typed_config").and_then(|settings| typed(&settings)) {
            return Some(Self { node: node.clone(), name, kind, settings });
        }
        node.get("config_discovery").map(|_| Self { node: node.clone(), name, kind: "", settings: node.clone() })
    }

    /// Whether its settings come by themselves, and do not stand here.
    pub(crate) fn is_discovered(&self) -> bool {
        self.kind.is_empty()
    }

    /// Whether it is off unless a route switches it on.
    pub(crate) fn is_disabled(&self) -> bool {
        self.node.is_true("disabled")
    }

    pub(crate) fn is_router(&self) -> bool {
        self.kind == "Router"
    }
}

/// One cluster that one route leads to.
#[derive(Debug)]
pub(crate) struct Route<'v> {
    pub(crate) node: Node<'v>,
    pub(crate) host: Node<'v>,
    pub(crate) cluster: &'v str,
    /// Where filters may be switched, the most specific place first.
    places: Vec<Node<'v>>,
}

impl Route<'_> {
    /// Whether `filter` runs for requests of this route.
    // Envoy: a route's `typed_per_filter_config` with a FilterConfig overrides `disabled` of the filter chain.
    pub(crate) fn runs(&self, filter: &Filter<'_>) -> bool {
        let switch = self.places.iter().find_map(|place| {
            let config = place.get("typed_per_filter_config")?.entry(filter.name)?;
            (type_of(&config) == Some("FilterConfig")).then(|| !config.is_true("disabled"))
        });
        switch.unwrap_or(!filter.is_disabled())
    }
}

impl<'v> Envoy<'v> {
    /// Reads a document of this kind.
    pub(crate) fn read(kind: Kind, document: &Node<'v>) -> Self {
        let mut envoy = Self::default();
        match kind {
            Kind::Plugin => {}
            Kind::Bootstrap => {
                let listeners = document.get("static_resources").map(|node| node.items("listeners"));
                for listener in listeners.unwrap_or_default() {
                    envoy.listener(&listener, &[]);
                }
                let clusters = document.get("static_resources").map(|node| node.items("clusters"));
                envoy.clusters = clusters.unwrap_or_default().iter().map(cluster).collect();
            }
            Kind::Listener => envoy.listener(document, &[]),
            Kind::Extension => envoy.extensions.extend(Filter::read(document)),
            Kind::DiscoveryResponse => {
                let resources = document.items("resources");
                for resource in &resources {
                    match type_of(resource) {
                        Some("Listener") => envoy.listener(resource, &resources),
                        Some("TypedExtensionConfig") => envoy.extensions.extend(Filter::read(resource)),
                        _ => {}
                    }
                }
            }
        }
        envoy
    }

    /// Whether two clusters are one, or have an endpoint in common.
    pub(crate) fn are_same(&self, one: &str, other: &str) -> bool {
        let shared = || Some(!self.clusters.get(one)?.is_disjoint(self.clusters.get(other)?));
        one == other || shared().unwrap_or_default()
    }

    fn listener(&mut self, listener: &Node<'v>, resources: &[Node<'v>]) {
        let chains = listener.items("filter_chains").into_iter().chain(listener.get("default_filter_chain"));
        for chain in chains {
            for network_filter in chain.items("filters") {
                match network_filter.get("typed_config").and_then(|node| typed(&node)) {
                    Some(("HttpConnectionManager", node)) => {
                        self.managers.push(manager(&node, listener, &chain, resources));
                    }
                    Some(("TcpProxy", node)) => self.tcp_proxies.push(node),
                    _ => {}
                }
            }
        }
    }
}

/// A cluster's name and the addresses of its endpoints.
fn cluster<'v>(node: &Node<'v>) -> (&'v str, BTreeSet<String>) {
    let within = node.get("load_assignment").map(|endpoints| endpoints.within()).unwrap_or_default();
    let addresses =
        within.iter().filter_map(|node| node.at("endpoint.address")).map(|address| format!("{:?}", address.value));
    (node.text("name").unwrap_or_default(), addresses.collect())
}

fn manager<'v>(node: &Node<'v>, listener: &Node<'v>, filter_chain: &Node<'v>, resources: &[Node<'v>]) -> Manager<'v> {
    let mut manager = Manager {
        node: node.clone(),
        listener: listener.clone(),
        filter_chain: filter_chain.clone(),
        filters: node.items("http_filters").iter().filter_map(Filter::read).collect(),
        routes: Vec::new(),
        unread_routes: node.get("scoped_routes").into_iter().collect(),
    };
    if let Some(discovery) = node.get("rds") {
        let name = discovery.text("route_config_name");
        let same =
            |resource: &&Node<'_>| type_of(resource) == Some("RouteConfiguration") && resource.text("name") == name;
        match resources.iter().find(same) {
            Some(table) => manager.table(table),
            None => manager.unread_routes.push(discovery),
        }
    }
    if let Some(table) = node.get("route_config") {
        manager.table(&table);
    }
    manager
}

impl<'v> Manager<'v> {
    fn table(&mut self, table: &Node<'v>) {
        self.unread_routes.extend(table.get("vhds"));
        for host in table.items("virtual_hosts") {
            self.unread_routes.extend(host.get("matcher"));
            for route in host.items("routes") {
                self.route(table, &host, &route);
            }
        }
    }

    fn route(&mut self, table: &Node<'v>, host: &Node<'v>, route: &Node<'v>) {
        // Redirects and direct responses reach no cluster.
        let Some(action) = route.get("route") else { return };
        if let Some(named) = action.get("cluster_header").or_else(|| action.get("cluster_specifier_plugin")) {
            self.unread_routes.push(named);
        }
        let mut lead = |cluster: &Node<'v>, key: &str, first: Option<&Node<'v>>| {
            if let Some(name) = cluster.text(key) {
                let places = first.into_iter().chain([route, host, table]).cloned().collect();
                self.routes.push(Route { node: route.clone(), host: host.clone(), cluster: name, places });
            }
        };
        lead(&action, "cluster", None);
        for weighted in action.get("weighted_clusters").map(|node| node.items("clusters")).unwrap_or_default() {
            lead(&weighted, "name", Some(&weighted));
        }
    }
}

/// The last part of the type's name, and the message itself.
fn typed<'v>(any: &Node<'v>) -> Option<(&'v str, Node<'v>)> {
    match type_of(any)? {
        // Envoy: xds.type.v3.TypedStruct names a type and writes the message as a struct.
        "TypedStruct" => Some((last_part(any.text("type_url")?), any.get("value")?)),
        kind => Some((kind, any.clone())),
    }
}

/// The last part of a message's `@type`.
pub(crate) fn type_of<'v>(any: &Node<'v>) -> Option<&'v str> {
    any.text("@type").map(last_part)
}

fn last_part(type_url: &str) -> &str {
    type_url.rsplit(['.', '/']).next().unwrap_or_default()
}

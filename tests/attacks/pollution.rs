//! Parameter pollution: more parameters, odd names, other places; some hop may read the one that nobody looked at.

use super::attack::{Attack, attack, carry_out};
use super::field::FIELD;
use super::{ALL, VICTIMS, ask};
use crate::support::client::{get, post};

const PAIR: &[u16] = &[400];

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = Vec::new();
    // The second of two may be the one that counts.
    for (name, target) in [
        ("a second query", format!("/api/v1/query?query=up&query={VICTIMS}")),
        ("a second query in front", format!("/api/v1/query?query={VICTIMS}&query=up")),
        ("a query three times", format!("/api/v1/query?query=up&query=up&query={VICTIMS}")),
        ("the same query twice", "/api/v1/query?query=up&query=up".into()),
        ("a second query with an encoded name", format!("/api/v1/query?query=up&%71uery={VICTIMS}")),
        ("a second query that is empty", "/api/v1/query?query=up&query=".into()),
        ("a second query without a value", "/api/v1/query?query=up&query".into()),
        ("two times", "/api/v1/query?query=up&time=1&time=2".into()),
        ("two starts of a range", "/api/v1/query_range?query=up&start=1&start=2&end=3&step=1".into()),
        ("two targets' selectors", format!("/api/v1/targets/metadata?match_target=up&match_target={VICTIMS}")),
        ("a query that only a semicolon parts from a second", format!("/api/v1/query?query=up;query={VICTIMS}")),
        ("a selector behind a semicolon", format!("/api/v1/labels?match[]=up;match[]={VICTIMS}")),
        ("a semicolon in front of everything", format!("/api/v1/series?;match[]={VICTIMS}")),
    ] {
        all.push(attack(name, get(target)).refused(PAIR));
    }
    // What the endpoint does not name must not go on, under any spelling.
    for (name, target) in [
        (
            "a query with an upper-case name beside it",
            format!("/api/v1/query?query=up&Query={VICTIMS}&QUERY={VICTIMS}"),
        ),
        ("a query as a list", format!("/api/v1/query?query=up&query[]={VICTIMS}&query[0]={VICTIMS}")),
        ("a query with a space behind its name", format!("/api/v1/query?query=up&query+={VICTIMS}&+query={VICTIMS}")),
        ("a query in brackets of PHP", format!("/api/v1/query?query=up&query%5Ba%5D={VICTIMS}")),
        ("a name that is empty", format!("/api/v1/query?query=up&={VICTIMS}&&&")),
        ("a doubly encoded name", format!("/api/v1/query?query=up&%2571uery={VICTIMS}")),
        ("an ampersand of HTML", format!("/api/v1/query?query=up&amp;query={VICTIMS}").replace(';', "%3B")),
        ("a selector beside a query", format!("/api/v1/query?query=up&match[]={VICTIMS}")),
        ("a target's selector beside a query", format!("/api/v1/query?query=up&match_target={VICTIMS}")),
        ("a second question mark", format!("/api/v1/query?query=up&x?query={VICTIMS}")),
        ("two question marks", format!("/api/v1/query??query={VICTIMS}&query=up")),
        ("VictoriaMetrics's extra label", "/api/v1/query?query=up&extra_label=tenant%3Dvictim".into()),
        (
            "VictoriaMetrics's extra filters",
            format!("/api/v1/query?query=up&extra_filters={VICTIMS}&extra_filters[]={VICTIMS}"),
        ),
        ("Thanos's choice of stores", format!("/api/v1/query?query=up&storeMatch[]={VICTIMS}")),
        ("a query frontend's shard", "/api/v1/query?query=up&shard_info=%7B%7D&analyze=true".into()),
        (
            "a tenant as a parameter",
            "/api/v1/query?query=up&tenant=victim&X-Scope-OrgID=victim&namespace=victim".into(),
        ),
        ("the tenant's label removed from the answer", "/api/v1/query?query=up&replicaLabels[]=tenant".into()),
        (
            "the tenant's label removed under an encoded name",
            "/api/v1/query?query=up&replicaLabels%5b%5d=te%6eant".into(),
        ),
    ] {
        all.push(attack(name, get(target)).narrowed());
    }
    for (name, target) in [
        ("an alias of the selector", format!("/api/v1/series?match={VICTIMS}")),
        ("a selector's name without its end", format!("/api/v1/series?match[={VICTIMS}")),
        ("a selector's name with a number", format!("/api/v1/labels?match[0]={VICTIMS}&match%5B1%5D={VICTIMS}")),
        ("a selector's name in upper case", format!("/api/v1/labels?MATCH[]={VICTIMS}")),
        ("no selector at all", "/api/v1/labels".into()),
        ("no selector and the end of time", "/api/v1/series?start=0&end=99999999999".into()),
        ("a label's values without a selector", "/api/v1/label/word/values".into()),
        ("the tenants' names", "/api/v1/label/tenant/values".into()),
        ("the tenants' names with the victim's selector", format!("/api/v1/label/tenant/values?match[]={VICTIMS}")),
        ("every metric's name", "/api/v1/label/__name__/values?start=0".into()),
        ("the victim's selector beside an own", format!("/api/v1/series?match[]=up&match[]={VICTIMS}")),
        (
            "twenty selectors of the victim's",
            format!("/api/v1/series?{}", vec![format!("match[]={VICTIMS}"); 20].join("&")),
        ),
        ("a query on an endpoint of selectors", format!("/api/v1/series?match[]=up&query={VICTIMS}")),
        ("a limit with a sign", "/api/v1/labels?limit=-1".into()),
        ("a federation of everything", format!("/federate?match[]={VICTIMS}&match[]=up")),
        ("a federation with a parameter of its own", format!("/federate?match[]=up&query={VICTIMS}&format=json")),
        ("rules of the victim's by a selector", format!("/api/v1/rules?match[]={VICTIMS}")),
        (
            "rules of everybody by a negated selector",
            "/api/v1/rules?match[]=%7Btenant!%3D%22eve%22%7D&match[]=%7Btenant%3D%22%22%7D".into(),
        ),
        ("rules by a name that others use too", "/api/v1/rules?rule_name[]=Shared&rule_name[]=Broken".into()),
        ("rules of a group of both", "/api/v1/rules?rule_group[]=mixed&file[]=mixed.yml&type=alert".into()),
        ("rules page by page", "/api/v1/rules?group_limit=1&group_next_token=x".into()),
        ("rules without their alerts", "/api/v1/rules?exclude_alerts=true&type=record".into()),
        ("everybody's alerts", format!("/api/v1/alerts?match[]={VICTIMS}&filter=tenant%3Dvictim")),
        ("a search with everybody's metadata", "/api/v1/search/metric_names?include_metadata=true&search[]=x".into()),
        ("a search for the tenants", "/api/v1/search/label_values?label=tenant&search[]=&fuzz_threshold=0".into()),
        ("a search for names of labels", format!("/api/v1/search/label_names?match={VICTIMS}&limit=100")),
    ] {
        all.push(attack(name, get(target)));
    }
    // A form and a URL together.
    for (name, target, form) in [
        ("a form's query beside another in the URL", "/api/v1/query?query=up".to_owned(), format!("query={VICTIMS}")),
        ("a URL's query beside an empty one in the form", format!("/api/v1/query?query={VICTIMS}"), "query=".into()),
        ("two limits in two places", "/api/v1/series?limit=1".into(), "limit=2&match[]=up".into()),
        ("a query twice in the form", "/api/v1/query".into(), format!("query=up&query={VICTIMS}")),
        ("a semicolon in the form", "/api/v1/query".into(), format!("query=up;query={VICTIMS}")),
        ("a semicolon in a URL beside a good form", format!("/api/v1/query?a=1;query={VICTIMS}"), "query=up".into()),
        ("a form without its query", "/api/v1/query?time=1".into(), "start=1".into()),
    ] {
        all.push(attack(name, post(target, form)).refused(PAIR));
    }
    for (name, target, form) in [
        (
            "a selector in the URL and one in the form",
            format!("/api/v1/series?match[]={VICTIMS}"),
            format!("match[]=up&match[]={VICTIMS}"),
        ),
        ("a form of nothing but separators", "/api/v1/labels".into(), "&&&".into()),
        (
            "a form whose selectors have other names",
            "/api/v1/labels".into(),
            format!("match={VICTIMS}&Match[]={VICTIMS}"),
        ),
        ("the same query in both places", "/api/v1/query?query=up".into(), "query=up".into()),
        (
            "parameters of Thanos in a form",
            "/api/v1/query?analyze=true".into(),
            format!("query=up&storeMatch[]={VICTIMS}&replicaLabels[]=tenant"),
        ),
        ("a form with everything in the URL", format!("/api/v1/series?match[]={VICTIMS}"), "x=1".into()),
    ] {
        all.push(attack(name, post(target, form)).narrowed());
    }
    let many = |count: usize| format!("/api/v1/query?query=up{}", "&x=1".repeat(count));
    all.push(attack("more parameters than the limit", get(many(200))).refused(PAIR));
    all.push(
        attack("as many parameters as the limit, and a second query last", get(many(198) + "&query=down"))
            .refused(PAIR),
    );
    all.push(attack("more parameters than Go reads", post("/api/v1/labels", "a&".repeat(10_001))).refused(PAIR));
    all.push(attack("all there is, asked plainly", ask("/api/v1/query", &[("query", ALL)])).shows("eves"));
    all.push(
        attack(
            "all exemplars",
            ask("/api/v1/query_exemplars", &[("query", ALL), ("start", "0"), ("end", "99999999999")]),
        )
        .shows("eves-trace"),
    );
    all.push(attack("all alerts", get("/api/v1/alerts")).shows("EveUp"));
    all.push(attack("all rules", get("/api/v1/rules")).shows("EveAlso"));
    all.push(attack("all rules that are shared", get("/api/v1/rules")).on("shared-rules").shows("Shared"));
    all
}

#[test]
fn parameter_pollution() {
    carry_out(&FIELD.bench, &attacks());
}

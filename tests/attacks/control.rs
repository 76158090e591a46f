//! The oracles can fail: without the filter they object, and the victim sees what nobody else does.

use super::attack::{Attack, unnoticed};
use super::field::{FIELD, VICTIM};
use super::secrets as secret;
use super::{GROUPS, lifecycle};
use crate::support::bench::Bench;
use crate::support::client::{get, send};
use crate::support::data::END;
use crate::support::envoy::Listener;
use crate::support::form::encode;
use crate::support::upstream::Upstream;
use std::collections::BTreeSet;

/// Where each secret shows to whom nothing is hidden.
const SHOWN: [(&str, &str); 22] = [
    (secret::METRIC, "/api/v1/label/__name__/values"),
    (secret::LABEL_NAME, "/api/v1/labels"),
    (secret::LABEL_VALUE, "/api/v1/series?match[]=up"),
    (secret::OF_NOBODY, "/api/v1/query?query=up"),
    (secret::OF_NEIGHBOUR, "/federate?match[]=up"),
    (secret::TRACE, "/api/v1/query_exemplars?query=http_requests_total&start=0&end=END"),
    (secret::FILE, "/api/v1/rules"),
    (secret::GROUP, "/api/v1/rules"),
    (secret::ALERT, "/api/v1/alerts"),
    (secret::RECORD, "/api/v1/rules"),
    (secret::RULE_QUERY, "/api/v1/rules"),
    (secret::RULE_LABEL, "/api/v1/alerts"),
    (secret::ANNOTATION, "/api/v1/alerts"),
    (secret::RULE_OF_NOBODY, "/api/v1/rules"),
    (secret::POOL, "/api/v1/targets"),
    (secret::TARGET_LABEL, "/api/v1/targets"),
    (secret::TARGET_URL, "/api/v1/targets"),
    (secret::TARGET_ERROR, "/api/v1/targets"),
    (secret::DROPPED, "/api/v1/targets"),
    (secret::HELP, "/api/v1/targets/metadata"),
    (secret::SCRAPED, "/api/v1/query?query=scraped_total"),
    (secret::CONFIGURATION, "/api/v1/status/config"),
];

/// What is not the victim's alone either.
const OF_NOBODY: [&str; 5] =
    [secret::OF_NOBODY, secret::OF_NEIGHBOUR, secret::RULE_OF_NOBODY, secret::DROPPED, secret::CONFIGURATION];

#[test]
fn every_secret_shows_where_no_filter_stands_and_the_victims_own_to_the_victim() {
    FIELD.wait_for_targets();
    for (word, target) in SHOWN {
        let target = target.replace("END", &END.to_string());
        let direct = send(FIELD.prometheus.port, &get(&target)).text();
        assert!(direct.contains(word) && secret::find(direct.as_bytes()).is_some(), "{target} has no {word}: {direct}");
        let own = FIELD.bench.send("jwt", &get(&target).bearer(&VICTIM)).text();
        assert_eq!(own.contains(word), !OF_NOBODY.contains(&word), "{target} to the victim: {word} in {own}");
    }
    let sum = get(format!("/api/v1/query?query={}", encode("avg(up)")));
    assert!(secret::find(&send(FIELD.prometheus.port, &sum).body).is_some(), "a mean hides a number");
}

#[test]
fn there_are_hundreds_of_attacks_and_no_two_are_the_same() {
    let mut names = BTreeSet::new();
    let mut count = lifecycle::COUNT;
    for (group, attacks) in GROUPS {
        for attack in attacks() {
            assert!(names.insert(attack.name.clone()), "{group} has {} twice", attack.name);
            count += 1;
        }
    }
    assert!(count > 1_500, "{count}");
}

/// Of a hundred attacks of each group, how many at least would do harm without the filter. The rest fails at Envoy, or at
/// whoever reads it.
const HARMFUL: [(&str, usize); 11] = [
    ("pollution", 90),
    ("encodings", 80),
    ("bodies", 55),
    ("paths", 75),
    ("promql", 75),
    ("tenants", 95),
    ("spoofing", 90),
    ("targets", 70),
    ("remote_read", 60),
    ("answers", 85),
    ("alertmanager", 60),
];

/// What would never end, or take much of Prometheus's time or memory.
const SLOW: [&str; 4] = ["notifications/live", "changes the protocol", "more selectors than the limit", "4 GiB"];

#[test]
fn without_the_filter_the_oracles_object() {
    FIELD.wait_for_targets();
    let before = |upstream: Upstream| Bench::before(upstream, [Listener::bare("bare").close_soon()]);
    let behind = |port: u16| before(Upstream::in_front_of(port));
    let (prometheus, alertmanager) = (behind(FIELD.prometheus.port), behind(FIELD.alertmanager.port));
    let scripted = before(Upstream::start());
    for ((group, attacks), (same, least)) in GROUPS.into_iter().zip(HARMFUL) {
        assert_eq!(group, same);
        let ground = match group {
            "answers" => &scripted,
            "alertmanager" => &alertmanager,
            _ => &prometheus,
        };
        // Nobody shall touch the silences that the filter guards.
        let is_fit = |attack: &Attack| {
            !SLOW.iter().any(|slow| attack.name.contains(slow)) && (group != "alertmanager" || attack.only_reads())
        };
        let attacks: Vec<Attack> = attacks().into_iter().filter(is_fit).step_by(5).collect();
        let missed = unnoticed(ground, &attacks);
        let noticed = (attacks.len() - missed.len()) * 100 / attacks.len();
        assert!(noticed >= least, "of {group} only {noticed} in a hundred were noticed, not: {missed:#?}");
    }
}

//! Targets, their labels and the help texts of what they expose, of which Prometheus narrows but a part.

use super::VICTIMS;
use super::attack::{Attack, attack, carry_out};
use super::field::FIELD;
use crate::support::client::get;

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = Vec::new();
    for (name, target) in [
        ("all targets", "/api/v1/targets".to_owned()),
        ("targets in any state", "/api/v1/targets?state=any".into()),
        ("targets by a selector that is not read", format!("/api/v1/targets?match[]={VICTIMS}&match_target={VICTIMS}")),
    ] {
        all.push(attack(name, get(target)).shows("scrapeUrl"));
    }
    for (name, target) in [
        ("targets of the victim's pool", "/api/v1/targets?scrapePool=down&state=any".to_owned()),
        ("targets of a pool that was the attacker's", "/api/v1/targets?scrapePool=moved".into()),
        ("targets that were dropped", "/api/v1/targets?state=dropped".into()),
        ("targets in a state that is none", "/api/v1/targets?state=x".into()),
        ("targets of a pool by a pattern", "/api/v1/targets?scrapePool=.%2B".into()),
        ("targets packed", "/api/v1/targets?state=active&limit=100".into()),
        ("metadata of the victim's targets", format!("/api/v1/targets/metadata?match_target={VICTIMS}")),
        (
            "metadata of a metric of both",
            format!("/api/v1/targets/metadata?match_target={VICTIMS}&metric=scraped_total"),
        ),
        (
            "metadata of targets that others have",
            "/api/v1/targets/metadata?match_target=%7Btenant!%3D%22eve%22%7D".into(),
        ),
        ("metadata of nobody's targets", "/api/v1/targets/metadata?match_target=%7Btenant%3D%22%22%7D".into()),
        ("metadata of a job", "/api/v1/targets/metadata?match_target=%7Bjob%3D~%22.*%22%7D&limit=-1".into()),
    ] {
        all.push(attack(name, get(&target)));
        all.push(attack(format!("{name}, in a packed answer"), get(target).header("accept-encoding", "gzip, deflate")));
    }
    for (name, target) in [
        ("metadata without a selector", "/api/v1/targets/metadata"),
        ("metadata with an empty selector", "/api/v1/targets/metadata?match_target=&metric=scraped_total"),
        ("metadata of everything", "/api/v1/targets/metadata?match_target=%7B%7D&limit=1000"),
    ] {
        all.push(attack(name, get(target)).shows("eves"));
    }
    all.push(attack("metadata without its targets", get("/api/v1/metadata?limit=1000&limit_per_metric=100")));
    all
}

#[test]
fn targets() {
    FIELD.wait_for_targets();
    carry_out(&FIELD.bench, &attacks());
}

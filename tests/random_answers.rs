//! Random answers of random tenants, written in random ways: what passes is what a plain filter over the tree makes of it,
//! and names no other tenant.

use crate::golden::{filtered, scope};
use crate::support::answers::{self, Listing};
use fastrand::Rng;
use prom_label_filter::value::Value;
use std::fmt::Write;

const TENANTS: [&str; 4] = ["fruit", "veggie", "tomato", "früchte 🍎"];
const CLUSTERS: [&str; 3] = ["c-one", "c-two", "c-three"];
const LISTINGS: [Listing; 5] = [
    Listing::Exemplars,
    Listing::Rules { with_active_alerts: false },
    Listing::Rules { with_active_alerts: true },
    Listing::Alerts,
    Listing::Targets,
];

fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// What is said of an entry whose labels do not tell whose it is.
const EVERYBODYS: &str = "everybody's";

/// What is said of an entry with these labels: it names the owner.
fn about(labels: &Value) -> String {
    match (labels.get("tenant").and_then(Value::as_str), labels.get("cluster").and_then(Value::as_str)) {
        (Some(tenant), Some(cluster)) => format!("{tenant} in {cluster}"),
        _ => EVERYBODYS.to_owned(),
    }
}

/// Whose an entry is.
#[derive(Clone, Copy)]
struct Owner {
    tenant: &'static str,
    cluster: &'static str,
}

/// Makes answers.
struct Answers {
    random: Rng,
}

impl Answers {
    fn owner(&mut self) -> Owner {
        Owner { tenant: self.pick(&TENANTS), cluster: self.pick(&CLUSTERS) }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.usize(..from.len())]
    }

    fn is_one_of(&mut self, many: u32) -> bool {
        self.random.u32(..many) == 0
    }

    fn list(&mut self, most: usize, mut entry: impl FnMut(&mut Self) -> Value) -> Value {
        if self.is_one_of(20) {
            return Value::Null;
        }
        let length = self.random.usize(..=most);
        Value::List((0..length).map(|_| entry(self)).collect())
    }

    /// The owner's labels, or labels that lack one of the two.
    fn labels(&mut self, owner: Owner) -> Value {
        let mut labels =
            vec![("alertname", text("A")), ("cluster", text(owner.cluster)), ("tenant", text(owner.tenant))];
        if self.is_one_of(6) {
            let lost = self.random.usize(..labels.len());
            labels.remove(lost);
        }
        if self.is_one_of(30) {
            labels.push(("tenant", text(owner.tenant)));
        }
        if self.is_one_of(40) {
            labels.push(("Tenant", text("x")));
        }
        self.random.shuffle(&mut labels);
        Value::Object(labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// An object with these members in this or another order, and with some that nobody knows.
    fn entry<const N: usize>(&mut self, members: [(&str, Value); N]) -> Value {
        let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if self.is_one_of(8) {
            let at = self.random.usize(..=members.len());
            members.insert(at, ("unknown".to_owned(), self.anything(4)));
        }
        if self.is_one_of(25) {
            let copy = self.random.usize(..members.len());
            let (name, value) = members[copy].clone();
            members.push((if self.random.bool() { name.to_uppercase() } else { name }, value));
        }
        if self.is_one_of(40) {
            let lost = self.random.usize(..members.len());
            members.remove(lost);
        }
        if self.is_one_of(4) {
            self.random.shuffle(&mut members);
        }
        Value::Object(members)
    }

    fn anything(&mut self, depth: u32) -> Value {
        match self.random.u32(..if depth == 0 { 5 } else { 7 }) {
            0 => Value::Null,
            1 => Value::Bool(self.random.bool()),
            2 => Value::Number(f64::from(self.random.i32(..)) / 128.0),
            3 => Value::Number(self.pick(&[0.0, -0.0, 1e3, 1e300, 12_345_678_901_234_567_890.0])),
            4 => text(self.pick(&["", "labels", "\"\\/\u{8}\u{1f}", "é🍎", "[{,:"])),
            5 => self.list(3, |answers| answers.anything(depth - 1)),
            _ => {
                let value = self.anything(depth - 1);
                object([("labels", object([])), ("alerts", value)])
            }
        }
    }

    fn alert(&mut self, owner: Owner) -> Value {
        let (labels, state) = (self.labels(owner), self.pick(&["firing", "pending", "inactive", "unknown", "x"]));
        let annotations = object([("summary", text(about(&labels)))]);
        self.entry([("labels", labels), ("annotations", annotations), ("state", text(state)), ("value", text("1e+00"))])
    }

    fn rule(&mut self) -> Value {
        let owner = self.owner();
        let labels = match self.random.u32(..6) {
            0 => object([]),
            1 => object([("tenant", text("{{ $labels.tenant }}"))]),
            _ => self.labels(owner),
        };
        let about = about(&labels);
        let is_shared = about == EVERYBODYS;
        let is_nobodys = labels.get("tenant").and_then(Value::as_str).is_none_or(|tenant| tenant.contains("{{"));
        let error = match self.random.bool() {
            true if is_nobodys => TENANTS.join(" and "),
            true => about.clone(),
            false => String::new(),
        };
        let alerts = self.list(4, |answers| {
            let other = answers.owner();
            let is_own = !is_shared && !answers.is_one_of(3);
            answers.alert(if is_own { owner } else { other })
        });
        let state = text(self.pick(&["firing", "pending", "inactive"]));
        self.entry([
            ("state", state),
            ("name", text("A")),
            ("query", text(about)),
            ("labels", labels),
            ("alerts", alerts),
            ("lastError", text(error)),
            ("evaluationTime", Value::Number(0.000_214)),
            ("type", text("alerting")),
        ])
    }

    fn group(&mut self) -> Value {
        let rules = self.list(4, Self::rule);
        self.entry([
            ("name", text("g")),
            ("file", text("/rules.yml")),
            ("rules", rules),
            ("interval", Value::Number(10.0)),
        ])
    }

    fn target(&mut self) -> Value {
        let owner = self.owner();
        let labels = self.labels(owner);
        self.entry([
            ("discoveredLabels", object([("tenant", text(owner.tenant))])),
            ("labels", labels),
            ("scrapePool", text(format!("{} in {}", owner.tenant, owner.cluster))),
            ("lastScrapeDuration", Value::Number(1e-3)),
        ])
    }

    fn exemplars(&mut self) -> Value {
        let owner = self.owner();
        let labels = self.labels(owner);
        let exemplar = object([("labels", object([("trace_id", text(owner.tenant))])), ("value", text("1"))]);
        self.entry([("seriesLabels", labels), ("exemplars", Value::List(vec![exemplar]))])
    }

    fn answer(&mut self, listing: Listing) -> Value {
        let everybody = text(TENANTS.join(","));
        let data = match listing {
            Listing::Exemplars => self.list(6, Self::exemplars),
            Listing::Rules { .. } => {
                let groups = self.list(4, Self::group);
                object([("groups", groups), ("groupNextToken", everybody.clone())])
            }
            Listing::Alerts => object([(
                "alerts",
                self.list(6, |answers| {
                    let owner = answers.owner();
                    answers.alert(owner)
                }),
            )]),
            Listing::Targets => {
                let (active, dropped) = (self.list(6, Self::target), self.list(3, Self::target));
                let counts = object([(TENANTS[0], Value::Number(1.0)), (TENANTS[1], Value::Number(0.0))]);
                let counts = if self.random.bool() { counts } else { Value::Null };
                object([("activeTargets", active), ("droppedTargets", dropped), ("droppedTargetCounts", counts)])
            }
        };
        let warnings = self.list(1, |_| everybody.clone());
        object([("status", text("success")), ("data", data), ("warnings", warnings)])
    }

    fn space(&mut self, out: &mut String) {
        while self.is_one_of(12) {
            out.push(self.pick(&[' ', '\n', '\t', '\r']));
        }
    }

    /// The text of a tree, in one of its many spellings.
    fn write(&mut self, value: &Value, out: &mut String) {
        self.space(out);
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(value) => write!(out, "{value}").expect("a text"),
            Value::Number(number) => {
                let plain = format!("{number:?}");
                out.push_str(if plain == "1000.0" { "1e3" } else { &plain });
            }
            Value::String(text) => self.write_text(text, out),
            Value::List(entries) => {
                out.push('[');
                for (i, entry) in entries.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    self.write(entry, out);
                }
                self.space(out);
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    self.space(out);
                    self.write_text(name, out);
                    self.space(out);
                    out.push(':');
                    self.write(value, out);
                }
                self.space(out);
                out.push('}');
            }
        }
        self.space(out);
    }

    fn write_text(&mut self, text: &str, out: &mut String) {
        out.push('"');
        for letter in text.chars() {
            if letter < ' ' || "\"\\".contains(letter) || self.is_one_of(40) {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("a text");
                }
            } else {
                out.push(letter);
            }
        }
        out.push('"');
    }
}

/// Whether a text of the tree holds `name`.
fn holds(value: &Value, name: &str) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.contains(name),
        Value::List(entries) => entries.iter().any(|entry| holds(entry, name)),
        Value::Object(members) => members.iter().any(|(key, value)| key.contains(name) || holds(value, name)),
    }
}

#[test]
fn of_random_answers_the_tenants_part_passes_and_names_nobody_else() {
    let mut answers = Answers { random: Rng::with_seed(1) };
    let mut with_entries = 0;
    for _ in 0..1_000 {
        let listing = answers.pick(&LISTINGS);
        let (tenants, clusters) = (answers.random.usize(1..3), answers.random.usize(..3));
        let tenants = answers.random.choose_multiple(TENANTS, tenants);
        // Without a cluster its rule is lifted.
        let clusters = answers.random.choose_multiple(CLUSTERS, clusters);
        let others = TENANTS.iter().filter(|tenant| !tenants.contains(tenant));
        let other_clusters = CLUSTERS.iter().filter(|cluster| !clusters.is_empty() && !clusters.contains(cluster));
        let foreign: Vec<&str> = others.chain(other_clusters).copied().collect();
        let scope = scope([("tenant", tenants), ("cluster", clusters)]);
        let answer = answers.answer(listing);
        let mut written = String::new();
        answers.write(&answer, &mut written);

        let expected = answers::expected(&answer, true, listing, &scope);
        let passed = filtered(listing, true, &written, &scope);
        let tree = passed.as_deref().map(|text| answers::read(text.as_bytes()).expect("JSON"));
        match (&tree, &expected) {
            (Some(tree), Some(expected)) => assert!(answers::same(tree, expected), "{written}\nbecame\n{passed:?}"),
            (None, None) => continue,
            (Some(_), None) | (None, Some(_)) => panic!("{written}\nbecame\n{passed:?}, not\n{expected:?}"),
        }
        let (tree, passed) = (tree.expect("a tree"), passed.expect("a text"));
        assert!(!foreign.iter().any(|name| holds(&tree, name)), "{written}\nbecame\n{passed}");
        assert_eq!(
            filtered(listing, true, &passed, &scope).as_ref(),
            Some(&passed),
            "filtering twice is filtering once"
        );
        with_entries += usize::from(tree.get("data").is_some_and(|data| holds(data, "unknown") || holds(data, "A")));
    }
    assert!(with_entries > 300, "{with_entries} answers with something left are too few");
}

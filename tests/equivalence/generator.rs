//! Random PromQL: composes the grammar by types, in every spelling, over the names of the test data.
//!
//! Owns what may stand where. Must not know what becomes of an expression.

use crate::support::data::TENANTS;
use fastrand::Rng;

/// The names of metrics: in the data, not in the data, in some tenant's data only, and names that are words of PromQL.
#[rustfmt::skip]
const METRICS: [&str; 14] = [
    "up", "up", "http_requests_total", "http_requests_total", "temperature", "temperature", "latency_bucket",
    "request_duration", "target_info", "nobody_total", "secret_2_total", "secret_3_total", "absent_metric", "sum",
];

const LABELS: [&str; 9] = ["tenant", "tenant", "job", "job", "instance", "le", "__name__", "only_2", "nothing"];

/// Values and patterns of matchers, and pieces of both.
#[rustfmt::skip]
const VALUES: [&str; 18] = [
    "", "api", "db", "1", "2", ".*", ".+", "a.*", "a|b", "team-.*", "(?i)API", "[^a]+", "(a|)", "team-fruit|é", "\\d",
    "a\\\\b", "x\u{7f}", "(",
];

const AGGREGATIONS: [&str; 9] = ["sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "SUM"];
#[rustfmt::skip]
const OF_VECTOR: [&str; 22] = [
    "abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "sgn", "round", "sin", "tanh", "deg", "timestamp", "hour",
    "day_of_week", "sort", "sort_desc", "scalar_vector", "histogram_count", "histogram_sum", "days_in_month",
    "absent",
];
#[rustfmt::skip]
const OF_RANGE: [&str; 20] = [
    "rate", "irate", "increase", "delta", "idelta", "deriv", "changes", "resets", "avg_over_time", "min_over_time",
    "max_over_time", "sum_over_time", "count_over_time", "stddev_over_time", "last_over_time", "present_over_time",
    "absent_over_time", "absent_over_time", "stdvar_over_time", "rate",
];
const ARITHMETIC: [&str; 7] = ["+", "-", "*", "/", "%", "^", "atan2"];
const COMPARISONS: [&str; 6] = ["==", "!=", "<", ">", "<=", ">="];
const SETS: [&str; 3] = ["and", "or", "unless"];
const DURATIONS: [&str; 9] = ["5m", "10m", "90s", "7m30s", "300", "0x78", "1h", "600000ms", "2m1s"];

/// What Prometheus 3 reads and Prometheus 2 does not.
#[rustfmt::skip]
const MODERN_DURATIONS: [&str; 8] = [
    "5m*2", "(10m)", "max_of(5m, step())", "1_000", "-(-5m)", "min_of(10m, range())", "5m + 2^3", "STEP() * 2",
];
#[rustfmt::skip]
const MODERN_OF_RANGE: [&str; 9] = [
    "mad_over_time", "ts_of_max_over_time", "ts_of_min_over_time", "ts_of_last_over_time", "first_over_time",
    "ts_of_first_over_time", "rate", "increase", "changes",
];

/// Which PromQL is composed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// What every Prometheus reads.
    Classic,
    /// What Prometheus 3 reads with all of its switches on, too.
    Modern,
}

/// What an expression evaluates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Vector,
    Scalar,
    Range,
    Text,
}

/// Makes expressions; the same seed makes the same ones.
#[derive(Debug)]
pub(crate) struct Generator {
    random: Rng,
    age: Age,
    out: String,
}

impl Generator {
    pub(crate) fn new(seed: u64, age: Age) -> Self {
        Self { random: Rng::with_seed(seed), age, out: String::new() }
    }

    /// An expression. Most mean something to Prometheus; some are of a wrong type, and a few are damaged.
    pub(crate) fn expression(&mut self) -> String {
        let kind = match self.random.u8(..40) {
            0 => Kind::Scalar,
            1 => Kind::Range,
            2 => Kind::Text,
            _ => Kind::Vector,
        };
        let depth = self.random.u8(1..5);
        self.space();
        self.expr(kind, depth);
        self.space();
        let mut text = std::mem::take(&mut self.out);
        if self.one_in(25) {
            text = self.damaged(&text);
        }
        text
    }

    /// A selector, as `match[]` takes it.
    pub(crate) fn selector(&mut self) -> String {
        self.vector_selector();
        std::mem::take(&mut self.out)
    }

    // --- by type ---

    fn expr(&mut self, kind: Kind, depth: u8) {
        // What has the wrong type must be refused in the same words.
        let kind =
            if self.one_in(150) { self.pick(&[Kind::Vector, Kind::Scalar, Kind::Range, Kind::Text]) } else { kind };
        match kind {
            Kind::Vector => self.vector(depth),
            Kind::Scalar => self.scalar(depth),
            Kind::Range => self.range(depth),
            Kind::Text => {
                let value = self.pick(&VALUES);
                self.quoted(value);
            }
        }
    }

    fn vector(&mut self, depth: u8) {
        let Some(below) = depth.checked_sub(1) else {
            self.vector_selector();
            return self.modifiers();
        };
        match self.random.u8(..22) {
            0..=2 => {
                self.vector_selector();
                self.modifiers();
            }
            3..=6 => self.aggregation(below),
            7..=8 => self.call_of_vector(below),
            9..=12 => {
                let name = if self.modern(3) { self.pick(&MODERN_OF_RANGE) } else { self.pick(&OF_RANGE) };
                self.call(name, &[Kind::Range], below);
            }
            13..=15 => self.vectors_joined(below),
            16 => self.vector_with_scalar(below),
            17 => {
                let sign = self.pick(&["-", "+", "--", "- +"]);
                self.put(sign);
                self.expr(Kind::Vector, below);
            }
            18 => self.parenthesised(Kind::Vector, below),
            19 => self.rare_call(below),
            20 => self.call("vector", &[Kind::Scalar], below),
            _ => self.labels_written(below),
        }
    }

    fn scalar(&mut self, depth: u8) {
        let Some(below) = depth.checked_sub(1) else { return self.number() };
        match self.random.u8(..9) {
            0..=2 => self.number(),
            3..=4 => self.call("scalar", &[Kind::Vector], below),
            5 => {
                let name = self.pick(&["time", "pi"]);
                self.call(name, &[], below);
            }
            6 => {
                self.expr(Kind::Scalar, below);
                self.operator(&ARITHMETIC);
                self.expr(Kind::Scalar, below);
            }
            7 => {
                self.expr(Kind::Scalar, below);
                let operator = self.pick(&COMPARISONS);
                self.put(&format!(" {operator} bool "));
                self.expr(Kind::Scalar, below);
            }
            _ => self.parenthesised(Kind::Scalar, below),
        }
    }

    fn range(&mut self, depth: u8) {
        let duration = if self.modern(4) { self.pick(&MODERN_DURATIONS) } else { self.pick(&DURATIONS) };
        if depth == 0 || self.random.bool() {
            self.vector_selector();
            self.bracket(&[duration]);
            if self.modern(6) {
                let word = self.pick(&[" anchored", " smoothed"]);
                self.put(word);
            }
        } else {
            // A subquery takes what stands directly before it.
            self.parenthesised(Kind::Vector, depth - 1);
            let step = self.pick(&["", "1m", "45s", "90"]);
            self.bracket(&[duration, ":", step]);
        }
        self.modifiers();
    }

    // --- what there is of a type ---

    fn aggregation(&mut self, depth: u8) {
        let parameter = match self.random.u8(..10) {
            0 if self.modern(2) => Some((Kind::Scalar, self.pick(&["limitk", "limit_ratio"]))),
            0 => Some((Kind::Scalar, self.pick(&["topk", "bottomk", "TopK"]))),
            1 => Some((Kind::Scalar, "quantile")),
            2 => Some((Kind::Text, "count_values")),
            _ => None,
        };
        let name = parameter.map_or_else(|| self.pick(&AGGREGATIONS), |(_, name)| name);
        self.put(name);
        let place = self.random.u8(..3);
        if place == 1 {
            self.grouping();
        }
        self.space();
        self.put("(");
        match parameter {
            Some((Kind::Text, _)) => {
                let label = self.pick(&["value", "tenant", "job"]);
                self.quoted(label);
            }
            Some(_) if depth > 0 && self.one_in(2) => self.expr(Kind::Scalar, depth),
            Some(_) => {
                let number = self.pick(&["1", "2", "0.5", "3", "0"]);
                self.put(number);
            }
            None => {}
        }
        if parameter.is_some() {
            self.comma();
        }
        self.expr(Kind::Vector, depth);
        self.space();
        self.put(")");
        if place == 2 {
            self.grouping();
        }
    }

    fn grouping(&mut self) {
        let word = self.pick(&[" by", " without", " BY", " Without"]);
        self.put(word);
        self.names();
    }

    fn names(&mut self) {
        self.space();
        self.put("(");
        for index in 0..self.random.usize(..3) {
            if index > 0 {
                self.comma();
            }
            let label = self.pick(&LABELS);
            self.put(label);
        }
        self.put(")");
    }

    fn call_of_vector(&mut self, depth: u8) {
        match self.pick(&OF_VECTOR) {
            "scalar_vector" => {
                self.put("vector(scalar(");
                self.expr(Kind::Vector, depth);
                self.put("))");
            }
            "absent" => {
                self.put("absent(");
                // Plain selectors are what it echoes.
                if self.random.bool() {
                    self.vector_selector();
                    self.modifiers();
                } else {
                    self.expr(Kind::Vector, depth);
                }
                self.put(")");
            }
            name => self.call(name, &[Kind::Vector], depth),
        }
    }

    fn rare_call(&mut self, depth: u8) {
        use Kind::{Range, Scalar, Vector};
        let (name, arguments): (_, &[Kind]) = match self.random.u8(..8) {
            0 => ("clamp", &[Vector, Scalar, Scalar]),
            1 => ("clamp_max", &[Vector, Scalar]),
            2 => ("histogram_quantile", &[Scalar, Vector]),
            3 => ("quantile_over_time", &[Scalar, Range]),
            4 => ("predict_linear", &[Range, Scalar]),
            5 => ("holt_winters", &[Range, Scalar, Scalar]),
            6 => ("round", &[Vector, Scalar]),
            _ => ("histogram_fraction", &[Scalar, Scalar, Vector]),
        };
        self.call(name, arguments, depth);
    }

    fn labels_written(&mut self, depth: u8) {
        let target = self.pick(&["tenant", "job", "fresh"]);
        if self.random.bool() {
            self.put("label_replace(");
            self.expr(Kind::Vector, depth);
            for text in [target, "$1-x", "tenant", "(.*)"] {
                self.comma();
                self.quoted(text);
            }
        } else {
            self.put("label_join(");
            self.expr(Kind::Vector, depth);
            for text in [target, "/", "instance", "job"] {
                self.comma();
                self.quoted(text);
            }
        }
        self.put(")");
    }

    fn vectors_joined(&mut self, depth: u8) {
        let set = self.one_in(3);
        self.expr(Kind::Vector, depth);
        if set {
            self.operator(&SETS);
        } else if self.one_in(3) {
            self.operator(&COMPARISONS);
            if self.random.bool() {
                self.put("bool ");
            }
        } else {
            self.operator(&ARITHMETIC);
        }
        if self.random.bool() {
            let word = self.pick(&["on", "ignoring", "ON"]);
            self.put(word);
            self.names();
            if !set && self.one_in(3) {
                let side = self.pick(&[" group_left", " group_right", " GROUP_left"]);
                self.put(side);
                self.names();
            }
            if !set && self.modern(3) {
                let fill = self.pick(&[" fill(0)", " fill_left (1) fill_right(-2)", " FILL_RIGHT(5)"]);
                self.put(fill);
            }
        }
        self.space();
        self.expr(Kind::Vector, depth);
    }

    fn vector_with_scalar(&mut self, depth: u8) {
        let (left, right) =
            if self.random.bool() { (Kind::Vector, Kind::Scalar) } else { (Kind::Scalar, Kind::Vector) };
        self.expr(left, depth);
        if self.modern(8) {
            self.operator(&["</", ">/"]);
        } else if self.random.bool() {
            self.operator(&ARITHMETIC);
        } else {
            self.operator(&COMPARISONS);
        }
        self.expr(right, depth);
    }

    fn call(&mut self, name: &str, arguments: &[Kind], depth: u8) {
        self.put(name);
        self.put("(");
        self.space();
        for (index, kind) in arguments.iter().enumerate() {
            if index > 0 {
                self.comma();
            }
            self.expr(*kind, depth);
        }
        self.put(")");
    }

    fn parenthesised(&mut self, kind: Kind, depth: u8) {
        self.put("(");
        self.space();
        self.expr(kind, depth);
        self.space();
        self.put(")");
    }

    // --- selectors ---

    fn vector_selector(&mut self) {
        let name = self.pick(&METRICS);
        let bare = self.one_in(8);
        if bare || self.modern(6) {
            self.put("{");
            if self.modern(2) {
                self.quoted(name);
            } else if self.random.bool() {
                self.put("__name__=");
                self.quoted(name);
            } else {
                self.matcher();
            }
            self.further_matchers(true);
            self.put("}");
            return;
        }
        self.put(name);
        if self.random.bool() {
            return;
        }
        self.space();
        self.put("{");
        self.further_matchers(false);
        self.put("}");
    }

    fn further_matchers(&mut self, mut any: bool) {
        for _ in 0..self.random.usize(..3) {
            if any {
                self.comma();
            }
            self.matcher();
            any = true;
        }
        if any && self.one_in(6) {
            self.put(",");
        }
        self.space();
    }

    fn matcher(&mut self) {
        let label = self.pick(&LABELS);
        if self.modern(5) {
            self.quoted(label)
        } else {
            self.put(label)
        }
        self.space();
        let operator = self.pick(&["=", "=", "!=", "=~", "!~"]);
        self.put(operator);
        self.space();
        let value = match label {
            "tenant" if self.random.bool() => self.pick(&TENANTS),
            "__name__" => self.pick(&METRICS),
            "job" => self.pick(&["api", "db", "api", ".*", "a.+|db"]),
            "instance" => self.pick(&["1", "2", "[12]"]),
            _ => self.pick(&VALUES),
        };
        self.quoted(value);
    }

    fn bracket(&mut self, pieces: &[&str]) {
        self.put("[");
        for piece in pieces {
            self.space();
            self.put(piece);
        }
        self.space();
        self.put("]");
    }

    fn modifiers(&mut self) {
        let (offset, at) = (self.one_in(6), self.one_in(8));
        let offset_first = self.random.bool();
        for turn in [true, false] {
            if turn == offset_first && offset {
                let text = self.pick(&[" offset 5m", " OFFSET -3m", " offset 10m", " offset 90s", " offset 0s"]);
                self.put(text);
            }
            if turn != offset_first && at {
                let text = self.pick(&[" @ end()", " @ start()", " @END()", " @ 1e3"]);
                self.put(text);
            }
        }
    }

    // --- spelling ---

    fn number(&mut self) {
        let text = self.pick(&["0", "1", "2.5", "1e2", ".5", "5.", "0x10", "Inf", "nan", "1e-3", "017", "60", "100"]);
        self.put(text);
    }

    fn operator(&mut self, operators: &[&'static str]) {
        let operator = self.pick(operators);
        let words = operator.starts_with(|first: char| first.is_ascii_alphabetic());
        let shout = words && self.one_in(4);
        self.put(" ");
        self.put(&if shout { operator.to_uppercase() } else { operator.to_owned() });
        self.put(" ");
        self.space();
    }

    fn comma(&mut self) {
        self.space();
        self.put(",");
        self.space();
    }

    /// `value` as a string, in one of the ways to write it.
    fn quoted(&mut self, value: &str) {
        let escaped = |quote: char| {
            let escape = |c: char| match c {
                '\\' => "\\\\".to_owned(),
                c if c == quote => format!("\\{c}"),
                c => c.to_string(),
            };
            format!("{quote}{}{quote}", value.chars().map(escape).collect::<String>())
        };
        let text = match self.random.u8(..7) {
            0 => escaped('\''),
            1 if !value.contains('`') => format!("`{value}`"),
            2 => format!("\"{}\"", value.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>()),
            3 => format!("'{}'", value.bytes().map(|byte| format!("\\{byte:03o}")).collect::<String>()),
            4 => format!("\"{}\"", value.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect::<String>()),
            _ => escaped('"'),
        };
        self.put(&text);
    }

    fn space(&mut self) {
        let text = match self.random.u8(..30) {
            0..=3 => " ",
            4 => "\n",
            5 => "\t\r\n ",
            6 => " # a \"comment\" { with ` quotes (\n",
            7 => "#\n",
            _ => "",
        };
        self.put(text);
    }

    /// `text` with something cut out, doubled or put in.
    fn damaged(&mut self, text: &str) -> String {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let (one, other) = (self.random.choice(&places), self.random.choice(&places));
        let (from, to) = match (one, other) {
            (Some(one), Some(other)) => (*one.min(other), *one.max(other)),
            _ => return String::new(),
        };
        let to = to.min(from + 5);
        let to = (to..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(from);
        let (before, rest) = text.split_at(from);
        let (middle, after) = rest.split_at(to - from);
        let piece =
            self.pick(&["(", ")", "{", "}", "[", "\"", "'", "`", "#", ",", "=~", "by", "1", "\u{a0}", "$", "é"]);
        match self.random.u8(..3) {
            0 => format!("{before}{after}"),
            1 => format!("{before}{middle}{middle}{after}"),
            _ => format!("{before}{piece}{middle}{after}"),
        }
    }

    /// Whether, this time, something is used that only Prometheus 3 reads.
    fn modern(&mut self, one_in: u32) -> bool {
        self.age == Age::Modern && self.one_in(one_in)
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.random.usize(..among.len())]
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.random.u32(..many) == 0
    }
}

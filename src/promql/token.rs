//! The tokens of PromQL.
//!
//! Owns their names and how each is written and described. Must not know how they are found or what follows what.

/// One token: what it is and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// Its first byte.
    pub(super) start: usize,
    /// The byte after its last.
    pub(super) end: usize,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The end of the text.
    End,
    Comma,
    Colon,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    At,
    /// `=`, in braces only.
    Equal,
    /// `=~`
    EqualRegex,
    /// `!~`
    NotEqualRegex,
    Operator(Operator),
    Aggregator(Aggregator),
    Keyword(Keyword),
    /// A name without a colon.
    Identifier,
    /// A name with a colon.
    MetricIdentifier,
    Number,
    Duration,
    /// A string literal in any quotes.
    String(Escapes),
}

impl Kind {
    /// The token as Prometheus names it in its messages.
    // Prometheus: promql/parser/lex.go, Item.desc
    pub(super) fn describe(self, text: &[u8]) -> String {
        /// Longer tokens are cut.
        const LONGEST: usize = 10;
        let all = String::from_utf8_lossy(text);
        let cut = || {
            let short: String = all.chars().take(LONGEST).collect();
            if text.len() > LONGEST { format!("{short:?}...") } else { format!("{all:?}") }
        };
        match self {
            Self::End => "end of input".to_owned(),
            Self::Identifier => format!("identifier {all:?}"),
            Self::MetricIdentifier => format!("metric identifier {all:?}"),
            Self::Number => format!("number {}", cut()),
            Self::Duration => format!("duration {}", cut()),
            Self::String(_) => format!("string {}", cut()),
            Self::Operator(_) | Self::EqualRegex | Self::NotEqualRegex | Self::At => format!("<op:{all}>"),
            Self::Aggregator(_) => format!("<aggr:{all}>"),
            Self::Keyword(word) if !word.is_preprocessor() => format!("<{all}>"),
            Self::Keyword(_)
            | Self::Comma
            | Self::Colon
            | Self::LeftParen
            | Self::RightParen
            | Self::LeftBrace
            | Self::RightBrace
            | Self::LeftBracket
            | Self::RightBracket
            | Self::Equal => format!("{all:?}"),
        }
    }
}

/// Whether a string literal holds escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    /// What stands between the quotes is the value.
    None,
    /// It must be decoded.
    Some,
}

/// Operators between two expressions; `Add` and `Sub` also stand in front of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    TrimUpper,
    TrimLower,
    And,
    Or,
    Unless,
}

impl Operator {
    /// How it is written.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::LessOrEqual => "<=",
            Self::Less => "<",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    /// Whether it stands in front of an expression, too.
    pub(super) fn is_sign(self) -> bool {
        self == Self::Add || self == Self::Sub
    }

    /// Whether it calculates with durations.
    pub(super) fn is_arithmetic(self) -> bool {
        match self {
            Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Mod | Self::Pow => true,
            Self::Atan2
            | Self::Equal
            | Self::NotEqual
            | Self::LessOrEqual
            | Self::Less
            | Self::GreaterOrEqual
            | Self::Greater
            | Self::TrimUpper
            | Self::TrimLower
            | Self::And
            | Self::Or
            | Self::Unless => false,
        }
    }

    /// Whether it takes `bool`.
    pub(super) fn is_comparison(self) -> bool {
        match self {
            Self::Equal | Self::NotEqual | Self::LessOrEqual | Self::Less | Self::GreaterOrEqual | Self::Greater => {
                true
            }
            Self::Add
            | Self::Sub
            | Self::Mul
            | Self::Div
            | Self::Mod
            | Self::Pow
            | Self::Atan2
            | Self::TrimUpper
            | Self::TrimLower
            | Self::And
            | Self::Or
            | Self::Unless => false,
        }
    }

    /// Whether its word may be a metric's name.
    pub(super) fn may_name_a_metric(self) -> bool {
        self == Self::And || self == Self::Or || self == Self::Unless
    }

    /// Whether it is a word, which may be a label's name.
    pub(super) fn is_word(self) -> bool {
        self.may_name_a_metric() || self == Self::Atan2
    }
}

/// Aggregations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregator {
    Avg,
    Bottomk,
    Count,
    CountValues,
    Group,
    Limitk,
    LimitRatio,
    Max,
    Min,
    Quantile,
    Stddev,
    Stdvar,
    Sum,
    Topk,
}

impl Aggregator {
    /// How it is written.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Bottomk => "bottomk",
            Self::Count => "count",
            Self::CountValues => "count_values",
            Self::Group => "group",
            Self::Limitk => "limitk",
            Self::LimitRatio => "limit_ratio",
            Self::Max => "max",
            Self::Min => "min",
            Self::Quantile => "quantile",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Sum => "sum",
            Self::Topk => "topk",
        }
    }

    /// How many arguments it takes.
    pub(super) fn arguments(self) -> usize {
        match self {
            Self::Bottomk | Self::CountValues | Self::Limitk | Self::LimitRatio | Self::Quantile | Self::Topk => 2,
            Self::Avg | Self::Count | Self::Group | Self::Max | Self::Min | Self::Stddev | Self::Stdvar | Self::Sum => {
                1
            }
        }
    }

    /// Whether it is behind `promql-experimental-functions`.
    pub(super) fn is_experimental(self) -> bool {
        self == Self::Limitk || self == Self::LimitRatio
    }
}

/// Words with a meaning that are neither operators nor aggregations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Anchored,
    Bool,
    By,
    End,
    Fill,
    FillLeft,
    FillRight,
    GroupLeft,
    GroupRight,
    Ignoring,
    MaxOf,
    MinOf,
    Offset,
    On,
    Range,
    Smoothed,
    Start,
    Step,
    Without,
}

impl Keyword {
    /// Whether the word may be a metric's name.
    pub(super) fn may_name_a_metric(self) -> bool {
        match self {
            Self::Bool | Self::GroupLeft | Self::GroupRight | Self::Ignoring | Self::On => false,
            Self::Anchored
            | Self::By
            | Self::End
            | Self::Fill
            | Self::FillLeft
            | Self::FillRight
            | Self::MaxOf
            | Self::MinOf
            | Self::Offset
            | Self::Range
            | Self::Smoothed
            | Self::Start
            | Self::Step
            | Self::Without => true,
        }
    }

    /// Whether the word may be a function's name. It is a function when its case is the table's, too.
    pub(super) fn may_name_a_function(self) -> bool {
        self.is_preprocessor()
    }

    /// Whether it is one of the words that Prometheus replaces before it evaluates.
    pub(super) fn is_preprocessor(self) -> bool {
        match self {
            Self::End | Self::MaxOf | Self::MinOf | Self::Range | Self::Start | Self::Step => true,
            Self::Anchored
            | Self::Bool
            | Self::By
            | Self::Fill
            | Self::FillLeft
            | Self::FillRight
            | Self::GroupLeft
            | Self::GroupRight
            | Self::Ignoring
            | Self::Offset
            | Self::On
            | Self::Smoothed
            | Self::Without => false,
        }
    }
}

/// The keyword, operator, aggregation or number that `word` is in any case; `None` when it is just a name.
pub(super) fn keyword(word: &[u8]) -> Option<Kind> {
    /// The longest is `count_values`.
    const LONGEST: usize = 12;
    let mut lower = [0_u8; LONGEST];
    if word.len() > LONGEST {
        return None;
    }
    for (to, from) in lower.iter_mut().zip(word) {
        *to = from.to_ascii_lowercase();
    }
    Some(match lower.get(..word.len())? {
        b"and" => Kind::Operator(Operator::And),
        b"or" => Kind::Operator(Operator::Or),
        b"unless" => Kind::Operator(Operator::Unless),
        b"atan2" => Kind::Operator(Operator::Atan2),
        b"sum" => Kind::Aggregator(Aggregator::Sum),
        b"avg" => Kind::Aggregator(Aggregator::Avg),
        b"count" => Kind::Aggregator(Aggregator::Count),
        b"min" => Kind::Aggregator(Aggregator::Min),
        b"max" => Kind::Aggregator(Aggregator::Max),
        b"group" => Kind::Aggregator(Aggregator::Group),
        b"stddev" => Kind::Aggregator(Aggregator::Stddev),
        b"stdvar" => Kind::Aggregator(Aggregator::Stdvar),
        b"topk" => Kind::Aggregator(Aggregator::Topk),
        b"bottomk" => Kind::Aggregator(Aggregator::Bottomk),
        b"count_values" => Kind::Aggregator(Aggregator::CountValues),
        b"quantile" => Kind::Aggregator(Aggregator::Quantile),
        b"limitk" => Kind::Aggregator(Aggregator::Limitk),
        b"limit_ratio" => Kind::Aggregator(Aggregator::LimitRatio),
        b"offset" => Kind::Keyword(Keyword::Offset),
        b"smoothed" => Kind::Keyword(Keyword::Smoothed),
        b"anchored" => Kind::Keyword(Keyword::Anchored),
        b"by" => Kind::Keyword(Keyword::By),
        b"without" => Kind::Keyword(Keyword::Without),
        b"on" => Kind::Keyword(Keyword::On),
        b"ignoring" => Kind::Keyword(Keyword::Ignoring),
        b"group_left" => Kind::Keyword(Keyword::GroupLeft),
        b"group_right" => Kind::Keyword(Keyword::GroupRight),
        b"fill" => Kind::Keyword(Keyword::Fill),
        b"fill_left" => Kind::Keyword(Keyword::FillLeft),
        b"fill_right" => Kind::Keyword(Keyword::FillRight),
        b"bool" => Kind::Keyword(Keyword::Bool),
        b"start" => Kind::Keyword(Keyword::Start),
        b"end" => Kind::Keyword(Keyword::End),
        b"step" => Kind::Keyword(Keyword::Step),
        b"range" => Kind::Keyword(Keyword::Range),
        b"max_of" => Kind::Keyword(Keyword::MaxOf),
        b"min_of" => Kind::Keyword(Keyword::MinOf),
        b"inf" | b"nan" => Kind::Number,
        _ => return None,
    })
}

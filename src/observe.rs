//! What an operator sees: names and texts only.
//!
//! Must not know the host, nor hold anything that a client can make grow.

use crate::promql::Origin;
use crate::route::Endpoint;
use crate::scope::{LabelScope, LabelValue, Scope, TenantScope};

/// What is known of a request, for metrics and access logs. Nothing goes by it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What it asks of; `None` for a path that is not served.
    pub endpoint: Option<Endpoint>,
    /// Whose it is, once that is known: see [`tenant`].
    pub tenant: Option<String>,
    /// What it asks in PromQL, where the operator wants it logged (`audit_query`): see [`audited`].
    pub query: Option<String>,
    /// Selectors that carry the tenant's matchers now.
    pub selectors: usize,
    /// Texts in PromQL that were written for it.
    pub written: usize,
    /// Texts in PromQL that were written before, for a request that asked the same.
    pub remembered: usize,
}

impl Record {
    /// Counts a text in PromQL.
    pub(crate) fn count_text(&mut self, origin: Origin) {
        let texts = match origin {
            Origin::Written => &mut self.written,
            Origin::Remembered => &mut self.remembered,
        };
        *texts = texts.saturating_add(1);
    }

    /// The endpoint's name, one of a fixed few.
    #[must_use]
    pub fn endpoint_name(&self) -> &'static str {
        self.endpoint.map_or("none", Endpoint::name)
    }

    /// Whether any PromQL goes upstream.
    #[must_use]
    pub fn has_promql(&self) -> bool {
        self.selectors > 0 || self.cache().is_some()
    }

    /// Whether the texts were remembered, all of them; `None` without any.
    #[must_use]
    pub fn cache(&self) -> Option<&'static str> {
        match (self.written, self.remembered) {
            (0, 0) => None,
            (0, _) => Some("hit"),
            (_, _) => Some("miss"),
        }
    }
}

/// Bytes of a text in an access log at most.
const MOST_LOGGED: usize = 1024;

/// `scope` in one line: `fruit`, `fruit|veggie` for several values or a pattern, `*` where the rule is lifted. With several labels each
/// with its name, `cluster=eu,tenant=fruit|veggie`. At most 1 KiB.
#[must_use]
pub fn tenant(scope: &TenantScope) -> String {
    let values = |label: &LabelScope| match &label.scope {
        Scope::Values(values) => values.as_slice().iter().map(LabelValue::as_str).collect::<Vec<_>>().join("|"),
        Scope::Pattern(pattern) => pattern.as_str().to_owned(),
        Scope::Unrestricted => "*".to_owned(),
    };
    let text = match scope.labels() {
        [label] => values(label),
        labels => labels.iter().map(|label| format!("{}={}", label.name, values(label))).collect::<Vec<_>>().join(","),
    };
    cut(text)
}

/// Texts in PromQL as one line: control characters escaped, a space between them, at most 1 KiB.
pub(crate) fn audited<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let mut line = String::new();
    for text in texts {
        if !line.is_empty() {
            line.push(' ');
        }
        let shown = text.get(..=MOST_LOGGED).unwrap_or(text);
        for chunk in shown.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    // Quotes are what PromQL is full of; whoever writes the line quotes them if need be.
                    '"' | '\'' => line.push(character),
                    // Control characters, what cannot be seen, what turns the direction of text; and `\`, so that an escape that was
                    // sent is not one of ours.
                    _ => line.extend(character.escape_debug()),
                }
            }
            for byte in chunk.invalid() {
                line.extend(byte.escape_ascii().map(char::from));
            }
        }
        if line.len() > MOST_LOGGED {
            break;
        }
    }
    (!line.is_empty()).then(|| cut(line))
}

fn cut(mut text: String) -> String {
    if text.len() > MOST_LOGGED {
        let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MOST_LOGGED).last();
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

/// Refusals a second that are logged for each worker; beyond them only their number is.
const LINES_PER_SECOND: u32 = 10;

/// How many refusals may still be logged in the current second.
#[derive(Debug, Default)]
pub struct LogBudget {
    second: u64,
    written: u32,
    left_out: u64,
}

/// What to log of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Its line.
    Write,
    /// Its line, after one that says how many refusals of earlier seconds have none.
    WriteAfter {
        /// How many.
        left_out: u64,
    },
    /// Nothing.
    LeaveOut,
}

impl LogBudget {
    /// Decides on the refusal at `now`, in nanoseconds since 1970.
    pub fn spend(&mut self, now: u64) -> Line {
        let second = now / 1_000_000_000;
        if second != self.second {
            self.second = second;
            self.written = 0;
        }
        if self.written >= LINES_PER_SECOND {
            self.left_out = self.left_out.saturating_add(1);
            return Line::LeaveOut;
        }
        self.written = self.written.saturating_add(1);
        match std::mem::take(&mut self.left_out) {
            0 => Line::Write,
            left_out => Line::WriteAfter { left_out },
        }
    }
}

/// Text of a client made fit for one line of a log: printable ASCII, the rest escaped, at most 200 bytes of it.
#[must_use]
pub fn loggable(text: &[u8]) -> String {
    const MOST: usize = 200;
    let cut = text.get(..MOST);
    let mut line = cut.unwrap_or(text).escape_ascii().to_string();
    if cut.is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_flood_of_refusals_is_ten_lines_and_a_number() {
        let mut budget = LogBudget::default();
        let written = (0..1000).filter(|_| budget.spend(SECOND) == Line::Write).count();
        assert_eq!(written, 10);
        assert_eq!(budget.spend(2 * SECOND), Line::WriteAfter { left_out: 990 });
        assert_eq!(budget.spend(2 * SECOND), Line::Write);
    }

    #[test]
    fn a_query_is_one_short_line_whatever_it_holds() {
        let line = |texts: &[&[u8]]| audited(texts.iter().copied());
        assert_eq!(line(&[]), None);
        assert_eq!(line(&[b""]), None);
        assert_eq!(line(&[b"up{a=\"b\"}", b"'c'"]).as_deref(), Some("up{a=\"b\"} 'c'"));
        assert_eq!(line(&[b"a\r\n\xff\0\\n\xe2\x80\xa8\xc3\xa9"]).as_deref(), Some(r"a\r\n\xff\0\\n\u{2028}é"));
        for text in [&b"a"[..], b"\n", b"\xff", "é".as_bytes(), "\u{202e}".as_bytes()] {
            let long = line(&[&text.repeat(2000)]).expect("a line");
            assert_eq!(line(&[&text.repeat(2000), b"never seen"]).as_deref(), Some(&*long));
            assert!(long.len() <= MOST_LOGGED + '…'.len_utf8() && long.ends_with('…'), "{} bytes", long.len());
            assert!(long.len() > MOST_LOGGED - 10, "{} bytes", long.len());
        }
    }

    #[test]
    fn what_a_client_sends_cannot_start_a_line_of_its_own() {
        assert_eq!(loggable(b"/a\r\nb\x1b[1m\xff"), r"/a\r\nb\x1b[1m\xff");
        assert_eq!(loggable(&[b'a'; 300]).len(), 200 + '…'.len_utf8());
    }
}

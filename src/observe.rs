//! What an operator sees: names and texts only.
//!
//! Must not know the host, nor hold anything that a client can make grow.

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
    fn what_a_client_sends_cannot_start_a_line_of_its_own() {
        assert_eq!(loggable(b"/a\r\nb\x1b[1m\xff"), r"/a\r\nb\x1b[1m\xff");
        assert_eq!(loggable(&[b'a'; 300]).len(), 200 + '…'.len_utf8());
    }
}

//! Numbers and durations: which spellings are values, and how large they are.
//!
//! Owns the rules of Go's `strconv` and of Prometheus's durations. Must not know where they stand. Values are for
//! checking bounds only: what is written for them is their own text.

use std::time::Duration;

use super::error::{Problem, shown};

/// The value of a number's token, or nothing when Go reads none there.
// Go: strconv.ParseInt with base 0, then strconv.ParseFloat
pub(super) fn number(text: &[u8]) -> Option<f64> {
    if text.eq_ignore_ascii_case(b"inf") {
        return Some(f64::INFINITY);
    }
    if text.eq_ignore_ascii_case(b"nan") {
        return Some(f64::NAN);
    }
    if !text.contains(&b'_') {
        return plain_number(std::str::from_utf8(text).ok()?);
    }
    if !underscores_separate_digits(text) {
        return None;
    }
    let digits: Vec<u8> = text.iter().copied().filter(|&b| b != b'_').collect();
    plain_number(std::str::from_utf8(&digits).ok()?)
}

fn plain_number(text: &str) -> Option<f64> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return (all(hex, 16) && i64::from_str_radix(hex, 16).is_ok()).then(|| in_base(hex, 16));
    }
    if text.len() > 1 && text.starts_with('0') && all(text, 8) && i64::from_str_radix(text, 8).is_ok() {
        return Some(in_base(text, 8));
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Whether `word` is a number that Prometheus refuses as the last of a text, though not with a space behind it: behind one
/// digit it takes the `e` of `0x1e` for an exponent.
// Prometheus: promql/parser/lex.go, scanNumber
pub(super) fn needs_more_text(word: &[u8]) -> bool {
    let [b'0', b'x' | b'X', digits @ ..] = word else { return false };
    matches!(digits, [b'_', _, b'e' | b'E'] | [_, b'e' | b'E'])
}

fn all(digits: &str, base: u32) -> bool {
    digits.chars().all(|c| c.is_digit(base))
}

fn in_base(digits: &str, base: u32) -> f64 {
    digits.chars().filter_map(|c| c.to_digit(base)).fold(0.0, |value, digit| value * f64::from(base) + f64::from(digit))
}

/// Whether each underscore stands between two digits, where a base's prefix counts as one.
fn underscores_separate_digits(text: &[u8]) -> bool {
    let hex = text.starts_with(b"0x") || text.starts_with(b"0X");
    let digits = if hex { text.get(2..).unwrap_or_default() } else { text };
    let mut after_digit = hex;
    let mut after_underscore = false;
    for &byte in digits {
        let digit = if hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
        if byte == b'_' {
            if !after_digit {
                return false;
            }
        } else if !digit && after_underscore {
            return false;
        }
        after_underscore = byte == b'_';
        after_digit = digit;
    }
    !after_underscore
}

/// The units from the largest to the smallest, in nanoseconds; each may stand once and in this order.
const UNITS: [(&[u8], u64); 7] = [
    (b"y", 31_536_000_000_000_000),
    (b"w", 604_800_000_000_000),
    (b"d", 86_400_000_000_000),
    (b"h", 3_600_000_000_000),
    (b"m", 60_000_000_000),
    (b"s", 1_000_000_000),
    (b"ms", 1_000_000),
];

/// The seconds that a duration's token stands for.
// Prometheus: common/model/time.go, ParseDuration
pub(super) fn duration(text: &[u8]) -> Result<f64, Problem> {
    const LONGEST: u64 = 1 << 63;
    let invalid = || Problem::quoted("not a valid duration string:", text);
    let mut total: u64 = 0;
    let mut smaller: &[(&[u8], u64)] = &UNITS;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (count, after) = rest.split_at_checked(digits).ok_or_else(invalid)?;
        let count: u64 = std::str::from_utf8(count).ok().and_then(|c| c.parse().ok()).ok_or_else(invalid)?;
        let letters = after.iter().take_while(|b| !b.is_ascii_digit()).count();
        let (unit, after) = after.split_at_checked(letters).ok_or_else(invalid)?;
        if unit.is_empty() {
            return Err(invalid());
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(Problem::UnknownUnit { unit: shown(unit), duration: shown(text) });
        }
        let place = smaller.iter().position(|(name, _)| *name == unit).ok_or_else(invalid)?;
        let nanoseconds = smaller.get(place).map_or(1, |(_, nanoseconds)| *nanoseconds);
        smaller = smaller.get(place.saturating_add(1)..).unwrap_or_default();
        total = count
            .checked_mul(nanoseconds)
            .filter(|product| *product <= LONGEST)
            .and_then(|product| total.checked_add(product))
            .filter(|sum| *sum < LONGEST)
            .ok_or(Problem::Form("duration out of range"))?;
        rest = after;
    }
    Ok(Duration::from_nanos(total).as_secs_f64())
}

/// Whether so many seconds are more than Go's durations hold.
pub(super) fn is_out_of_range(seconds: f64) -> bool {
    const NANOSECONDS: f64 = 9_223_372_036_854_775_808.0;
    seconds.abs() > NANOSECONDS / 1e9
}

/// Whether so many seconds are no time at all to Go, which counts whole nanoseconds.
pub(super) fn rounds_to_zero(seconds: f64) -> bool {
    (seconds * 1e9).abs() < 0.5
}

/// Whether so many seconds can be a timestamp.
pub(super) fn is_timestamp(seconds: f64) -> bool {
    seconds.abs() < 9_223_372_036_854_775_807.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_go() {
        for (text, value) in [
            ("1", 1.0),
            ("1_000", 1000.0),
            ("0x1F", 31.0),
            ("0x_1f", 31.0),
            ("017", 15.0),
            ("08", 8.0),
            ("0_8", 8.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e10", 1e10),
            ("1_0.5e1_0", 10.5e10),
            ("18446744073709551616", 18_446_744_073_709_551_616.0),
            ("iNf", f64::INFINITY),
        ] {
            assert_eq!(number(text.as_bytes()), Some(value), "{text}");
        }
        assert!(number(b"NaN").is_some_and(f64::is_nan));
        for text in ["1e309", "0x", "0xffffffffffffffffff", "1__0", "1_", "_1", "0x1_", "0x1e+5", "1e"] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn durations_have_their_units_in_order_and_once() {
        for (text, seconds) in [
            ("1y", 31_536_000.0),
            ("1y2w3d4h5m6s7ms", 33_019_506.007),
            ("1d4294967296ms", 4_381_367.296),
            ("0s", 0.0),
            ("292y", 9_208_512_000.0),
        ] {
            assert_eq!(duration(text.as_bytes()), Ok(seconds), "{text}");
        }
        for text in ["1m1h", "1m1m", "1hs", "1.5h", "1_0m", "293y", "292y52w", "99999999999999999999s", "1e5m", "5"] {
            assert!(duration(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn the_bounds_of_time_are_those_of_go() {
        assert!(is_out_of_range(1e30) && is_out_of_range(-1e30) && is_out_of_range(f64::INFINITY));
        assert!(!is_out_of_range(9e9) && !is_out_of_range(f64::NAN));
        assert!(is_timestamp(9.2e18) && !is_timestamp(f64::NAN) && !is_timestamp(f64::INFINITY) && !is_timestamp(1e19));
        assert!(rounds_to_zero(0.0) && rounds_to_zero(-1e-10) && !rounds_to_zero(1e-9) && !rounds_to_zero(f64::NAN));
    }
}

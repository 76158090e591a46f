//! What was written for texts that are asked again: dashboards ask the same every few seconds.
//!
//! Owns what is remembered, for how long and how much of it. A text is found under all that its rewriting goes by: how it was
//! read, the tenant's matchers and every byte of it; the rest is one for a [`Promql`]. So one tenant never finds what was
//! written for another, and a hash decides where to look, not what is found. Must not know how a text is read.

use super::{Dialect, Matchers, Origin, PromqlError, Reading, Scoped, ScopedExpr, ScopedSelector, TextLimits};
use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that all of a VM remember at most, however many plugins it has: they share its memory of 1 GiB.
const MOST_OF_ALL: usize = 64 << 20;

/// What an entry takes beside its texts, about.
const BESIDE_TEXTS: usize = 200;

/// PromQL in one dialect, within limits, and what was written in it before.
///
/// Clones remember together.
#[derive(Clone, Debug)]
pub struct Promql {
    dialect: Dialect,
    limits: TextLimits,
    // A lock, for what a request is given to be shared by threads: a VM has one, and it costs nothing there.
    kept: Arc<Mutex<Kept>>,
}

impl Promql {
    /// With nothing remembered yet, and `cache_bytes` at most later.
    #[must_use]
    pub fn new(dialect: Dialect, limits: TextLimits, cache_bytes: usize) -> Self {
        Self { dialect, limits, kept: Arc::new(Mutex::new(Kept::new(cache_bytes))) }
    }

    /// Which PromQL is accepted.
    #[must_use]
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// As [`scope_expression`](super::scope_expression) does.
    ///
    /// # Errors
    /// As there.
    pub fn expression(&self, text: &[u8], matchers: &Matchers) -> Result<ScopedExpr, PromqlError> {
        self.scoped(Reading::Expression, text, matchers).map(ScopedExpr)
    }

    /// As [`scope_selector`](super::scope_selector) does.
    ///
    /// # Errors
    /// As there.
    pub fn selector(&self, text: &[u8], matchers: &Matchers) -> Result<ScopedSelector, PromqlError> {
        self.scoped(Reading::Selector, text, matchers).map(ScopedSelector)
    }

    /// As [`scope_any_selector`](super::scope_any_selector) does.
    ///
    /// # Errors
    /// As there.
    pub fn any_selector(&self, text: &[u8], matchers: &Matchers) -> Result<Option<ScopedSelector>, PromqlError> {
        Ok(self.scoped(Reading::AnySelector, text, matchers)?.of_its_own(matchers))
    }

    fn scoped(&self, reading: Reading, text: &[u8], matchers: &Matchers) -> Result<Scoped, PromqlError> {
        let rewrite = || reading.rewrite(text, matchers, &self.dialect, &self.limits);
        // Whether a request's own matchers agree is decided within what is left of the request's time.
        if matchers.agreement().is_some() {
            return rewrite();
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Asked { reading, matchers, text };
        let place = kept.hashes.hash_one((reading, matchers.plain(), text));
        if let Some(written) = kept.find(place, &asked) {
            return Ok(Scoped { origin: Origin::Remembered, ..written });
        }
        let scoped = rewrite()?;
        kept.remember(place, &asked, &scoped);
        Ok(scoped)
    }
}

/// What somebody wants written.
struct Asked<'a> {
    reading: Reading,
    matchers: &'a Matchers,
    text: &'a [u8],
}

/// What was written, and for what.
#[derive(Debug)]
struct Entry {
    reading: Reading,
    plain: Box<str>,
    unechoed: Box<str>,
    text: Box<[u8]>,
    scoped: Scoped,
    share: Share,
}

impl Entry {
    fn is_for(&self, asked: &Asked<'_>) -> bool {
        self.reading == asked.reading
            && *self.plain == *asked.matchers.plain()
            && *self.unechoed == *asked.matchers.unechoed()
            && *self.text == *asked.text
    }
}

/// Bytes of the VM's that an entry has; given back when it goes.
#[derive(Debug)]
struct Share(usize);

thread_local! {
    /// What all have in this VM.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

impl Share {
    /// `None` where there are not so many left.
    fn take(bytes: usize) -> Option<Self> {
        let taken = TAKEN.get().checked_add(bytes).filter(|taken| *taken <= MOST_OF_ALL)?;
        TAKEN.set(taken);
        Some(Self(bytes))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        TAKEN.set(TAKEN.get().saturating_sub(self.0));
    }
}

/// Two generations: what is asked moves into the young one, and when that is full the old one goes.
#[derive(Debug, Default)]
struct Kept {
    /// Bytes that a generation has at most.
    generation: usize,
    young: HashMap<u64, Entry>,
    young_bytes: usize,
    old: HashMap<u64, Entry>,
    /// Nobody can tell from outside which texts share a place.
    hashes: RandomState,
}

impl Kept {
    fn new(bytes: usize) -> Self {
        Self { generation: bytes / 2, ..Self::default() }
    }

    fn find(&mut self, place: u64, asked: &Asked<'_>) -> Option<Scoped> {
        if let Some(entry) = self.young.get(&place) {
            return entry.is_for(asked).then(|| entry.scoped.clone());
        }
        let entry = self.old.remove(&place).filter(|entry| entry.is_for(asked))?;
        let scoped = entry.scoped.clone();
        self.keep(place, entry);
        Some(scoped)
    }

    fn remember(&mut self, place: u64, asked: &Asked<'_>, scoped: &Scoped) {
        let Asked { reading, matchers, text } = *asked;
        let (plain, unechoed) = (matchers.plain(), matchers.unechoed());
        let lengths = [plain.len(), unechoed.len(), text.len(), scoped.text.len()];
        let bytes = lengths.into_iter().fold(BESIDE_TEXTS, usize::saturating_add);
        // A few long texts must not drive out everybody's.
        if bytes <= self.generation / 8
            && let Some(share) = Share::take(bytes)
        {
            let (plain, unechoed, text) = (plain.into(), unechoed.into(), text.into());
            self.keep(place, Entry { reading, plain, unechoed, text, scoped: scoped.clone(), share });
        }
    }

    fn keep(&mut self, place: u64, entry: Entry) {
        let bytes = entry.share.0;
        if self.young_bytes.saturating_add(bytes) > self.generation {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        let replaced = self.young.insert(place, entry).map_or(0, |entry| entry.share.0);
        self.young_bytes = self.young_bytes.saturating_add(bytes).saturating_sub(replaced);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::{Agreement, scope_any_selector, scope_expression, scope_selector};
    use crate::scope::{LabelName, LabelScope, LabelValue, LabelValues, Scope, TenantScope};

    const BYTES: usize = 4 << 20;

    fn scope(values: &[&str]) -> TenantScope {
        let values = values.iter().map(|value| LabelValue::new(*value).expect("a value")).collect();
        let scope = Scope::Values(LabelValues::new(values).expect("values"));
        TenantScope::new(vec![LabelScope { name: LabelName::new("tenant").expect("a name"), scope }]).expect("a label")
    }

    fn matchers(values: &[&str]) -> Matchers {
        Matchers::new(&scope(values))
    }

    fn promql() -> Promql {
        Promql::new(Dialect::default(), TextLimits::default(), BYTES)
    }

    /// How many entries are held, and their bytes.
    fn held(promql: &Promql) -> (usize, usize) {
        let kept = promql.kept.lock().expect("a lock");
        let bytes = |entries: &HashMap<u64, Entry>| entries.values().map(|entry| entry.share.0).sum::<usize>();
        assert_eq!(bytes(&kept.young), kept.young_bytes);
        let all = || kept.young.values().chain(kept.old.values());
        (all().count(), all().map(|entry| entry.share.0).sum())
    }

    #[test]
    fn what_is_asked_again_is_remembered_and_the_same() {
        let promql = promql();
        let fruit = matchers(&["fruit"]);
        for text in ["up", "sum by (job) (rate(x[5m]))", "absent(up)"] {
            let fresh = scope_expression(text.as_bytes(), &fruit, promql.dialect(), &promql.limits).expect(text);
            for origin in [Origin::Written, Origin::Remembered, Origin::Remembered] {
                let scoped = promql.expression(text.as_bytes(), &fruit).expect(text);
                assert_eq!((scoped.as_str(), scoped.selectors()), (fresh.as_str(), fresh.selectors()));
                assert_eq!(scoped.origin(), origin, "{text}");
            }
        }
    }

    #[test]
    fn nobody_finds_what_was_written_for_somebody_else_or_read_in_another_way() {
        let promql = promql();
        let (dialect, limits) = (Dialect::default(), TextLimits::default());
        let text = b"up{tenant=~\".*\"}";
        for values in [&["fruit"][..], &["veggie"], &["fruit", "veggie"], &["fruit|veggie"], &["a.b"]] {
            let matchers = matchers(values);
            let expression = promql.expression(text, &matchers).expect("an expression");
            assert_eq!(expression, scope_expression(text, &matchers, &dialect, &limits).expect("an expression"));
            let selector = promql.selector(text, &matchers).expect("a selector");
            assert_eq!(selector, scope_selector(text, &matchers, &dialect, &limits).expect("a selector"));
            let any = promql.any_selector(text, &matchers).expect("a selector");
            assert_eq!(any, scope_any_selector(text, &matchers, &dialect, &limits).expect("a selector"));
        }
        let none = promql.expression(text, &Matchers::none()).expect("an expression");
        assert_eq!(none.as_str(), "up{tenant=~\".*\"}");
        assert_eq!(promql.any_selector(b"{}", &matchers(&["fruit"])), Ok(None));
        assert_eq!(promql.any_selector(b"{}", &matchers(&["fruit"])), Ok(None));
        assert!(promql.selector(b"{}", &matchers(&["fruit"])).is_err());
    }

    #[test]
    fn a_place_that_two_texts_share_is_that_of_the_later() {
        let mut kept = Kept::new(BYTES);
        let (fruit, veggie) = (matchers(&["fruit"]), matchers(&["veggie"]));
        let asked = |matchers| Asked { reading: Reading::Expression, matchers, text: b"up" };
        let written = |text: &str| Scoped { text: text.to_owned(), selectors: 1, origin: Origin::Written };
        kept.remember(1, &asked(&fruit), &written("fruit's"));
        assert_eq!(kept.find(1, &asked(&veggie)), None);
        assert_eq!(kept.find(1, &asked(&fruit)), Some(written("fruit's")));
        kept.remember(1, &asked(&veggie), &written("veggie's"));
        assert_eq!(kept.find(1, &asked(&fruit)), None);
        assert_eq!(kept.young_bytes, kept.young.values().map(|entry| entry.share.0).sum::<usize>());
        // The same in the old generation.
        kept.old = std::mem::take(&mut kept.young);
        kept.young_bytes = 0;
        assert_eq!(kept.find(1, &asked(&fruit)), None);
    }

    #[test]
    fn refusals_and_what_must_agree_are_not_remembered() {
        let promql = promql();
        let agreeing = || matchers(&["fruit"]).agreeing(Some(Agreement::new(&scope(&["fruit"]))));
        for _ in 0..2 {
            assert!(promql.expression(b"up{", &matchers(&["fruit"])).is_err());
            assert!(promql.expression(b"up{tenant=\"veggie\"}", &agreeing()).is_err());
            assert_eq!(promql.expression(b"up", &agreeing()).expect("an expression").origin(), Origin::Written);
        }
        assert_eq!(held(&promql), (0, 0));
    }

    #[test]
    fn it_holds_no_more_than_it_says_and_keeps_what_is_asked() {
        let promql = promql();
        let fruit = matchers(&["fruit"]);
        let often = |promql: &Promql| promql.expression(b"asked_often", &fruit).expect("an expression").origin();
        assert_eq!(often(&promql), Origin::Written);
        for number in 0..40_000 {
            let scoped = promql.expression(format!("series_{number:0100}").as_bytes(), &fruit).expect("an expression");
            assert_eq!(scoped.origin(), Origin::Written);
            if number % 500 == 0 {
                assert_eq!(often(&promql), Origin::Remembered, "{number}");
            }
        }
        let (entries, bytes) = held(&promql);
        assert!(bytes <= BYTES && bytes > BYTES / 2, "{bytes}");
        assert!(entries > 1000, "{entries}");
        assert_eq!(promql.expression(b"series_1", &fruit).expect("an expression").origin(), Origin::Written);
        let long = format!("series_{}", "x".repeat(60_000));
        let wide = matchers(&[&"v".repeat(200_000)]);
        for _ in 0..2 {
            let scoped = promql.expression(long.as_bytes(), &wide).expect("an expression");
            assert_eq!(scoped.origin(), Origin::Written, "too long to keep");
        }
    }

    #[test]
    fn without_bytes_nothing_is_remembered() {
        let promql = Promql::new(Dialect::default(), TextLimits::default(), 0);
        for _ in 0..2 {
            let scoped = promql.expression(b"up", &matchers(&["fruit"])).expect("an expression");
            assert_eq!(scoped.origin(), Origin::Written);
        }
    }

    #[test]
    fn all_together_have_an_end_and_give_back_what_goes() {
        let matchers = matchers(&[&"v".repeat(60_000)]);
        // More plugins than a VM has bytes for.
        let fill = |kept: &mut Kept| {
            (0..600).for_each(|place| {
                let scoped = Scoped { text: "x".repeat(10_000), selectors: 1, origin: Origin::Written };
                let asked = Asked { reading: Reading::Expression, matchers: &matchers, text: b"up" };
                kept.remember(place, &asked, &scoped);
            });
        };
        for _ in 0..2 {
            let mut all: Vec<Kept> = (0..3).map(|_| Kept::new(60 << 20)).collect();
            all.iter_mut().for_each(fill);
            let taken = TAKEN.get();
            assert!((MOST_OF_ALL - (1 << 20)..=MOST_OF_ALL).contains(&taken), "{taken}");
        }
        assert_eq!(TAKEN.get(), 0);
    }
}

#![allow(missing_docs, reason = "x")]
#![allow(
    clippy::all,
    clippy::allow_attributes,
    clippy::wildcard_enum_match_arm,
    missing_debug_implementations,
    reason = "x"
)]
use super::*;
#[derive(Debug)]
pub struct Matchers(String);
impl Matchers {
    pub fn new(s: &crate::scope::TenantScope) -> Self {
        let mut o = String::new();
        for (n, v) in s.restrictions() {
            if !o.is_empty() {
                o.push(',');
            }
            if let [one] = v.as_slice() {
                o += &format!("{n}={:?}", one.as_str());
            } else {
                let v: Vec<_> = v.as_slice().iter().map(|v| v.as_str()).collect();
                o += &format!("{n}=~{:?}", v.join("|"));
            }
        }
        Self(o)
    }
}
#[derive(Debug)]
pub struct ScopedExpr(String);
impl ScopedExpr {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
#[derive(Debug)]
pub struct ScopedSelector(String);
impl ScopedSelector {
    pub fn as_str(&self) -> &str {
        &self.0
    }
    pub fn bare(m: &Matchers) -> Option<Self> {
        (!m.0.is_empty()).then(|| Self(format!("{{{}}}", m.0)))
    }
}
#[derive(Debug, Clone, PartialEq)]
pub enum PromqlError {
    X,
}
impl std::fmt::Display for PromqlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("x")
    }
}
impl PromqlError {
    pub fn class(&self) -> ErrorClass {
        ErrorClass::BadData
    }
}
#[derive(Debug)]
pub enum ErrorClass {
    BadData,
    Limit,
}
pub fn scope_expression(t: &[u8], m: &Matchers, _: &Dialect, _: &TextLimits) -> Result<ScopedExpr, PromqlError> {
    let t = String::from_utf8_lossy(t);
    if t.is_empty() {
        return Err(PromqlError::X);
    }
    if t == "1" || m.0.is_empty() {
        return Ok(ScopedExpr(t.to_string()));
    }
    Ok(ScopedExpr(format!("{t}{{{}}}", m.0)))
}
pub fn scope_selector(t: &[u8], m: &Matchers, d: &Dialect, l: &TextLimits) -> Result<ScopedSelector, PromqlError> {
    scope_expression(t, m, d, l).map(|e| ScopedSelector(e.0))
}

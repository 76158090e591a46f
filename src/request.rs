//! A request's head as it was received: byte-safe, nothing decoded, nothing decided.
//!
//! Header values are bytes because clients may send any. Must not know endpoints or tenants.

/// All headers of a request, pseudo-headers included, in the order received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Vec<u8>, Vec<u8>)>);

impl Headers {
    /// Takes the pairs as the host gives them: names in lower case.
    #[must_use]
    pub fn new(pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        Self(pairs)
    }

    /// Every value sent under `name` (lower case), in order.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(n, _)| n == name.as_bytes()).map(|(_, value)| value.as_slice())
    }

    /// The value under `name` when it was sent exactly once.
    #[must_use]
    pub fn only(&self, name: &str) -> Only<'_> {
        let mut found = self.values(name);
        match (found.next(), found.next()) {
            (None, _) => Only::Missing,
            (Some(value), None) => Only::One(value),
            (Some(_), Some(_)) => Only::Several,
        }
    }

    /// Whether `name` (lower case) was sent.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name.as_bytes())
    }
}

/// How often a header was sent that should come once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only<'a> {
    /// Not at all.
    Missing,
    /// Once, with this value.
    One(&'a [u8]),
    /// More than once.
    Several,
}

/// Whether a body follows the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The request ends with its head.
    None,
    /// A body follows, though it may be empty: its length or HTTP/1's framing announced one.
    Announced,
    /// The stream stays open; whether a byte follows is not known (HTTP/2 and later).
    Possible,
}

/// A request's head.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method, as sent: methods are case-sensitive.
    pub method: &'a [u8],
    /// The path in front of the first `?`, as sent.
    pub path: &'a [u8],
    /// The query behind the first `?`, as sent; empty when there is none.
    pub query: &'a [u8],
    /// All headers.
    pub headers: &'a Headers,
    /// Whether a body follows.
    pub body: Body,
}

impl<'a> RequestHead<'a> {
    /// Reads the head out of `headers`; `None` without exactly one method and one path.
    #[must_use]
    pub fn new(headers: &'a Headers, body: Body) -> Option<Self> {
        let (Only::One(method), Only::One(target)) = (headers.only(":method"), headers.only(":path")) else {
            return None;
        };
        let mut halves = target.splitn(2, |&b| b == b'?');
        let path = halves.next().unwrap_or_default();
        let query = halves.next().unwrap_or_default();
        Some(Self { method, path, query, headers, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        Headers::new(pairs.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect())
    }

    #[test]
    fn the_query_starts_at_the_first_question_mark() {
        for (target, path, query) in [("/a?b?c", "/a", "b?c"), ("/a", "/a", ""), ("/a?", "/a", ""), ("?b", "", "b")] {
            let headers = headers(&[(":method", "GET"), (":path", target)]);
            let head = RequestHead::new(&headers, Body::None).expect("a head");
            assert_eq!((head.path, head.query), (path.as_bytes(), query.as_bytes()), "{target}");
        }
    }

    #[test]
    fn a_head_has_one_method_and_one_path() {
        for pairs in [
            &[(":method", "GET")][..],
            &[(":path", "/")],
            &[(":method", "GET"), (":path", "/a"), (":path", "/b")],
            &[(":method", "GET"), (":method", "POST"), (":path", "/a")],
        ] {
            assert!(RequestHead::new(&headers(pairs), Body::None).is_none(), "{pairs:?}");
        }
    }
}

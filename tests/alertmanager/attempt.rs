//! Silences that try what they can: names in another case, escaped, repeated, misspelt, with values that they should not have.
//! Each of these is rare, so that many are silences nevertheless.

/// Makes one after another.
pub(crate) struct Attempt(fastrand::Rng);

impl Attempt {
    /// Every run tries the same.
    pub(crate) fn new() -> Self {
        Self(fastrand::Rng::with_seed(1))
    }

    fn one_of<'a>(&mut self, usual: &[&'a str], odd: &[&'a str]) -> &'a str {
        let from = if self.0.u8(..16) == 0 { odd } else { usual };
        from[self.0.usize(..from.len())]
    }

    fn name(&mut self, name: &str) -> String {
        match self.0.u8(..24) {
            0 => name.to_uppercase(),
            1 => name.replacen('a', r"\u0061", 1),
            2 => name.replacen('s', "\u{17f}", 1),
            3 => name.replacen('E', "e", 1),
            _ => name.to_owned(),
        }
    }

    /// An object of these members, one of which may be missing, or there twice with its second value.
    fn object(&mut self, members: &[(&str, String, String)]) -> String {
        let mut texts: Vec<_> =
            members.iter().map(|(name, value, _)| format!("\"{}\" : {value}", self.name(name))).collect();
        self.0.shuffle(&mut texts);
        let (name, _, second) = &members[self.0.usize(..members.len())];
        match self.0.u8(..16) {
            0 => drop(texts.pop()),
            1 => texts.push(format!("\"{name}\":{second}")),
            2 => texts.push(format!("\"{}\":{second}", name.to_lowercase())),
            3 => texts.push(format!("\"{}\":{second}", name.replace('s', "\u{17f}"))),
            _ => {}
        }
        format!("{{{}}}", texts.join(" ,"))
    }

    fn matcher(&mut self) -> String {
        let name = self.one_of(
            &[r#""tenant""#, r#""job""#, r#""ten\u0061nt""#],
            &[r#""Tenant""#, r#""tenant ""#, "null", r#""\ud800""#],
        );
        let value = self.one_of(&[r#""a""#, r#""b""#, r#""\u0061""#], &[r#""""#, r#"".*""#, r#""a|b""#, "1", "null"]);
        let is_regex = self.one_of(&["false", "false", "true"], &["null", "0", r#""false""#]);
        let is_equal = self.one_of(&["true", "true", "null"], &["false", r#""true""#]);
        self.object(&[
            ("name", name.to_owned(), r#""job""#.to_owned()),
            ("value", value.to_owned(), r#""c""#.to_owned()),
            ("isRegex", is_regex.to_owned(), "true".to_owned()),
            ("isEqual", is_equal.to_owned(), "false".to_owned()),
        ])
    }

    /// The next silence.
    pub(crate) fn body(&mut self) -> String {
        let matchers: Vec<_> = (0..self.0.usize(1..4)).map(|_| self.matcher()).collect();
        let id = self.one_of(&["null", r#""""#], &["1", r#""x""#]);
        let second = self.matcher();
        let usual = |name, value: &str| (name, value.to_owned(), value.to_owned());
        let object = self.object(&[
            usual("id", id),
            usual("startsAt", r#""2001-01-01T00:00:00Z""#),
            usual("endsAt", r#""2999-01-01T00:00:00Z""#),
            usual("createdBy", r#""me""#),
            usual("comment", r#""\ud800""#),
            ("matchers", format!("[{}]", matchers.join(", ")), format!("[{second}]")),
        ]);
        object + self.one_of(&[""], &["{}", "x", "]"])
    }
}

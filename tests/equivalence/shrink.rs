//! Makes a failing expression smaller, as long as it goes on failing.

/// The smallest text that can be reached from `text` by leaving something out and that `fails` still.
pub(super) fn shrink(text: &str, mut fails: impl FnMut(&str) -> bool) -> String {
    let mut smallest = text.to_owned();
    // Each round tries every way to leave something out; one that works starts the next.
    while let Some(smaller) = candidates(&smallest).into_iter().find(|candidate| fails(candidate)) {
        smallest = smaller;
    }
    smallest
}

/// `text` with one thing left out, the largest first: what a pair of parentheses stands around, or a run of tokens.
fn candidates(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if *token == "("
            && let Some(end) = closing(&tokens, at)
        {
            // The inside alone, with or without what else there is.
            found.push(tokens[at + 1..end].concat());
            found.push([&tokens[..at], &tokens[at + 1..end], &tokens[end + 1..]].concat().concat());
            if at > 0 {
                found.push([&tokens[..at - 1], &tokens[at + 1..end], &tokens[end + 1..]].concat().concat());
                found.push([&tokens[..at - 1], &tokens[end + 1..]].concat().concat());
            }
        }
    }
    let mut length = tokens.len() / 2;
    while length > 0 {
        for start in (0..tokens.len()).step_by(length.div_ceil(2)) {
            let end = (start + length).min(tokens.len());
            found.push([&tokens[..start], &tokens[end..]].concat().concat());
        }
        length /= 2;
    }
    found.retain(|candidate| candidate.len() < text.len());
    found.sort_by_key(String::len);
    found.dedup();
    found
}

fn closing(tokens: &[&str], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    (open..tokens.len()).find(|at| {
        match tokens[*at] {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

/// Words, quoted strings and single characters: enough to cut at places that make sense.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || "_:.".contains(c);
        let length = if "\"'`".contains(first) {
            rest.char_indices().skip(1).find(|(_, c)| *c == first).map_or(rest.len(), |(end, _)| end + 1)
        } else if word(first) {
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, behind) = rest.split_at(length);
        found.push(token);
        rest = behind;
    }
    found
}

#[test]
fn what_fails_becomes_small() {
    let text = r#"sum by (job) (rate(up{tenant=~"a"}[5m])) + abs((topk(1, "x" (down{b="c"}))))"#;
    assert_eq!(
        shrink(text, |text| text.contains("down") && text.matches('(').count() == text.matches(')').count()),
        "down"
    );
    assert_eq!(shrink(text, |text| text.contains("up{")), "up{");
    assert_eq!(shrink("up", |_| false), "up");
}

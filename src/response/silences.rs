//! Alertmanager's answers about silences: those that are not the tenant's own are taken out.
//!
//! Alertmanager cannot be asked for them: its `filter` on silences compares matchers, not what they match.
// Alertmanager: api/v2/api.go, CheckSilenceMatchesFilterLabels

use super::json::{self, Edit};
use crate::alertmanager::{matcher, silence};
use crate::scope::TenantScope;

/// The tenant's own of a list of silences, as `GET /api/v2/silences` answers it; `None` when `body` is no list.
pub(super) fn filter_list(body: &str, scope: &TenantScope) -> Option<String> {
    let rules = matcher::of(scope);
    json::edit_elements(body, |silence| Some(if silence::owns(&rules, silence) { Edit::Keep } else { Edit::Drop }))?
        .apply(body)
}

/// The silence that `GET /api/v2/silence/{id}` answers; `None` when it is not the tenant's own, and must seem not to exist.
pub(super) fn filter_one<'a>(body: &'a str, scope: &TenantScope) -> Option<&'a str> {
    silence::is_own(body, scope).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::labels::tests::scope;

    const FRUIT: &str =
        r#"{"id":"1", "matchers":[{"isEqual":true,"isRegex":false,"name":"tenant","value":"fruit"}],"x":1e3 }"#;
    const VEGGIE: &str = r#"{"id":"2","matchers":[{"isEqual":true,"isRegex":false,"name":"tenant","value":"veggie"}],"comment":"a ] of fruit"}"#;

    #[test]
    fn only_own_silences_stay_and_they_stay_as_they_are() {
        let fruit = scope(&[("tenant", &["fruit"])]);
        let filtered = |body: &str| filter_list(body, &fruit);
        assert_eq!(filtered(&format!("[{FRUIT}, {VEGGIE} ,{FRUIT}]\n")), Some(format!("[{FRUIT} ,{FRUIT}]\n")));
        assert_eq!(filtered(&format!("[ {VEGGIE},{VEGGIE} ]\n")), Some("[]\n".to_owned()));
        for body in ["[]\n".to_owned(), format!(" [ {FRUIT} ] ")] {
            assert_eq!(filtered(&body), Some(body.clone()));
        }
        assert_eq!(filtered(&format!("[1,null,[],{{}},\"x\",[{FRUIT}],{FRUIT}]")), Some(format!("[{FRUIT}]")));
        let lifted = scope(&[("tenant", &[])]);
        assert_eq!(filter_list(&format!("[{FRUIT},{VEGGIE}]"), &lifted), Some(format!("[{FRUIT},{VEGGIE}]")));
    }

    #[test]
    fn what_is_no_list_does_not_pass() {
        let fruit = scope(&[("tenant", &["fruit"])]);
        for body in ["", "null", "{}", FRUIT, "\"x\"", "[1", "[] x", "[}", "\u{feff}[]", &format!("[{FRUIT}")] {
            assert_eq!(filter_list(body, &fruit), None, "{body}");
        }
    }

    #[test]
    fn one_silence_passes_whole_or_not_at_all() {
        let fruit = scope(&[("tenant", &["fruit"])]);
        let own = format!("{FRUIT}\n");
        assert_eq!(filter_one(&own, &fruit), Some(own.as_str()));
        for body in [VEGGIE, "", "null", "[]", &format!("[{FRUIT}]"), &format!("{FRUIT}{FRUIT}")] {
            assert_eq!(filter_one(body, &fruit), None, "{body}");
        }
    }
}

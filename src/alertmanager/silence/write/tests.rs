//! What may be written to silences: bodies that a client may send, and bodies that nobody but an attacker would.

use super::*;
use crate::alertmanager::silence::is_own;
use crate::alertmanager::tests::scope;

const REST: &str =
    r#""startsAt":"2026-01-01T00:00:00Z", "endsAt":"2026-01-02T00:00:00Z", "createdBy":"me","comment":"c""#;
const ID: &str = "761cc032-7f67-4e36-bb92-0c1548d49b08";
/// A matcher of no enforced label, which every silence needs.
const JOB: &str = r#"{"name":"job","value":"api","isRegex":false}"#;
/// What is put in for a tenant of one value.
const FRUIT: &str = r#"{"name":"tenant","value":"fruit","isRegex":false,"isEqual":true}"#;

fn one() -> TenantScope {
    scope(&[("tenant", &["fruit"])])
}

fn two() -> TenantScope {
    scope(&[("tenant", &["fruit", "veggie"])])
}

fn body(matchers: &str) -> String {
    format!(r#"{{ "matchers" : [{matchers}], {REST} }}"#)
}

/// What is written, which is always the tenant's own, or why it is not.
fn written(body: impl AsRef<[u8]>, scope: &TenantScope) -> Result<String, String> {
    let write = narrow_write(body.as_ref(), scope).map_err(|error| error.to_string())?;
    assert!(is_own(&write.body, scope), "{}", write.body);
    Ok(write.body)
}

#[test]
fn a_tenant_of_one_value_has_it_put_in_and_nothing_else_changed() {
    for (sent, narrowed) in [
        (JOB.to_owned(), format!("{JOB},{FRUIT}")),
        (format!(" {JOB} "), format!(" {JOB} ,{FRUIT}")),
        (format!("{FRUIT}, {JOB}"), format!("{FRUIT}, {JOB}")),
        (format!("{JOB} ,{FRUIT}"), format!("{JOB} ,{FRUIT}")),
        // A tenant's own matchers on the label go, whatever they say, the first one's place stays.
        (format!(r#"{{"name":"tenant","value":"veggie","isRegex":false}}, {JOB}"#), format!("{FRUIT}, {JOB}")),
        (format!(r#"{{"name":"tenant","value":".+","isRegex":true}}, {JOB}"#), format!("{FRUIT}, {JOB}")),
        (format!(r#"{{"name":"tenant","value":"(","isRegex":true}}, {JOB}"#), format!("{FRUIT}, {JOB}")),
        (format!(r#"{{"name":"tenant","value":"","isRegex":false}}, {JOB}"#), format!("{FRUIT}, {JOB}")),
        (
            format!(r#"{{"name":"tenant","value":"fruit|veggie","isRegex":true,"isEqual":true}}, {JOB}"#),
            format!("{FRUIT}, {JOB}"),
        ),
        (format!(r#"{{"n\u0061me":"ten\u0061nt","value":"x","isRegex":false}}, {JOB}"#), format!("{FRUIT}, {JOB}")),
        (
            format!(r#"{{"NAME":"tenant","Value":"x","isregex":false,"ISEQUAL":true}}, {JOB}"#),
            format!("{FRUIT}, {JOB}"),
        ),
        (format!("{FRUIT}, {JOB}, {FRUIT}, {FRUIT}"), format!("{FRUIT}, {JOB}")),
        // These are other labels.
        (
            r#"{"name":"tenant ","value":"x","isRegex":false}"#.into(),
            format!(r#"{{"name":"tenant ","value":"x","isRegex":false}},{FRUIT}"#),
        ),
        (
            r#"{"name":"Tenant","value":"x","isRegex":false}"#.into(),
            format!(r#"{{"name":"Tenant","value":"x","isRegex":false}},{FRUIT}"#),
        ),
        (
            r#"{"name":"\u0000tenant","value":"x","isRegex":false}"#.into(),
            format!(r#"{{"name":"\u0000tenant","value":"x","isRegex":false}},{FRUIT}"#),
        ),
        // Negative matchers on other labels select, as far as Alertmanager is concerned.
        (
            r#"{"name":"a","value":"","isRegex":false,"isEqual":false}"#.into(),
            format!(r#"{{"name":"a","value":"","isRegex":false,"isEqual":false}},{FRUIT}"#),
        ),
        (
            r#"{"name":"a","value":"x*","isRegex":true,"isEqual":false}"#.into(),
            format!(r#"{{"name":"a","value":"x*","isRegex":true,"isEqual":false}},{FRUIT}"#),
        ),
        (
            r#"{"name":"a","value":"x+","isRegex":true}"#.into(),
            format!(r#"{{"name":"a","value":"x+","isRegex":true}},{FRUIT}"#),
        ),
        // What is no pattern is left to Alertmanager, which refuses it.
        (
            r#"{"name":"a","value":"(","isRegex":true}"#.into(),
            format!(r#"{{"name":"a","value":"(","isRegex":true}},{FRUIT}"#),
        ),
        // One that matches the empty string may stand beside one that does not.
        (
            format!(r#"{{"name":"a","value":".*","isRegex":true}},{JOB}"#),
            format!(r#"{{"name":"a","value":".*","isRegex":true}},{JOB},{FRUIT}"#),
        ),
        (
            format!(r#"{JOB},{{"name":"a","value":".*","isRegex":true}}"#),
            format!(r#"{JOB},{{"name":"a","value":".*","isRegex":true}},{FRUIT}"#),
        ),
        (
            r#"{"name":"a","value":"b","isRegex":false,"isEqual":null}"#.into(),
            format!(r#"{{"name":"a","value":"b","isRegex":false,"isEqual":null}},{FRUIT}"#),
        ),
    ] {
        assert_eq!(written(body(&sent), &one()), Ok(body(&narrowed)), "{sent}");
    }
}

#[test]
fn names_and_values_are_put_in_as_json() {
    let scope = scope(&[(r#"a"\"#, &["\u{2028}\"\\<é"])]);
    let own = r#"{"name":"a\"\\","value":"QUOTED","isRegex":false,"isEqual":true}"#;
    let sent = written(body(JOB), &scope).expect("a silence");
    let put_in = sent.split(JOB).nth(1).and_then(|rest| rest.strip_prefix(',')).and_then(|rest| rest.split(']').next());
    let read: Value = serde_json::from_str(put_in.expect("a matcher")).expect("JSON");
    let expected: Value = serde_json::from_str(&own.replace("QUOTED", "\u{2028}\\\"\\\\<é")).expect("JSON");
    assert_eq!(read, expected);
}

#[test]
fn a_tenant_of_several_values_says_which_one() {
    let ambiguous = "the silence must say which of your values of `tenant` it is for: send exactly one matcher on \
                     `tenant`, with one of them as `value`, `isRegex` false and `isEqual` true";
    let tenant = |rest: &str| format!(r#"{{"name":"tenant",{rest}}}"#);
    for (own, taken) in [
        (tenant(r#""value":"fruit","isRegex":false"#), true),
        (tenant(r#""value":"veggie","isRegex":false,"isEqual":true"#), true),
        (tenant(r#""value":"v\u0065ggie","isRegex":false,"isEqual":null"#), true),
        (tenant(r#""value":"tomato","isRegex":false"#), false),
        (tenant(r#""value":"","isRegex":false"#), false),
        (tenant(r#""value":"fruit|veggie","isRegex":false"#), false),
        // A silence of all values would be the tenant's own; it says so by two.
        (tenant(r#""value":"fruit|veggie","isRegex":true"#), false),
        (tenant(r#""value":"fruit","isRegex":true"#), false),
        (format!("{0},{0}", tenant(r#""value":"fruit","isRegex":false"#)), false),
        (
            format!("{},{}", tenant(r#""value":"fruit","isRegex":false"#), tenant(r#""value":".*","isRegex":true"#)),
            false,
        ),
        (JOB.to_owned(), false),
        (JOB.replace("job", "Tenant"), false),
    ] {
        let sent = body(&format!("{own} , {JOB}"));
        let expected = if taken { Ok(sent.clone()) } else { Err(ambiguous.to_owned()) };
        assert_eq!(written(&sent, &two()), expected, "{own}");
    }
}

#[test]
fn a_negative_matcher_on_an_enforced_label_is_refused() {
    let refusal = "a matcher on `tenant` must not be negative: leave `tenant` out, or set `isEqual` to true";
    for own in [
        r#"{"name":"tenant","value":"veggie","isRegex":false,"isEqual":false}"#,
        r#"{"name":"tenant","value":"fruit","isRegex":false,"isEqual":false}"#,
        r#"{"name":"tenant","value":"","isRegex":false,"isEqual":false}"#,
        r#"{"name":"tenant","value":"x","isRegex":true,"isequal":false}"#,
        r#"{"name":"tenant","value":"fruit","isRegex":false},{"name":"tenant","value":"x","isRegex":false,"isEqual":false}"#,
    ] {
        for scope in [one(), two()] {
            assert_eq!(written(body(&format!("{own},{JOB}")), &scope), Err(refusal.to_owned()), "{own}");
        }
    }
}

#[test]
fn a_silence_of_everything_is_refused_though_the_tenants_matcher_would_make_it_legal() {
    let refusal = "at least one matcher on a label other than `tenant` must not match the empty string: this would be a \
                   silence of everything";
    for matchers in [
        "",
        FRUIT,
        r#"{"name":"a","value":".*","isRegex":true}"#,
        r#"{"name":"a","value":"x|","isRegex":true,"isEqual":true}"#,
        r#"{"name":"a","value":"","isRegex":false}"#,
        r#"{"name":"a","value":"","isRegex":true}"#,
        r#"{"name":"a","value":"\u002e*","isRegex":true},{"name":"b","value":"^$","isRegex":true}"#,
    ] {
        for scope in [one(), two()] {
            assert_eq!(written(body(matchers), &scope), Err(refusal.to_owned()), "{matchers}");
            assert_eq!(
                written(body(&format!("{FRUIT}{}{matchers}", if matchers.is_empty() { "" } else { "," })), &one()),
                Err(refusal.to_owned()),
                "{matchers}"
            );
        }
    }
    let both = scope(&[("tenant", &["fruit"]), ("env", &["prod"])]);
    let error =
        written(body(r#"{"name":"env","value":"prod","isRegex":false}"#), &both).expect_err("nothing is selected");
    assert!(error.starts_with("at least one matcher on a label other than `tenant`, `env` must not"), "{error}");
}

#[test]
fn every_rule_is_put_in_and_lifted_ones_are_not() {
    let both = scope(&[("tenant", &["fruit"]), ("env", &["a", "b"]), ("zone", &["z"]), ("team", &[])]);
    let env = r#"{"name":"env","value":"a","isRegex":false}"#;
    let zone = r#"{"name":"zone","value":"z","isRegex":false,"isEqual":true}"#;
    assert_eq!(written(body(&format!("{JOB}, {env}")), &both), Ok(body(&format!("{JOB}, {env},{FRUIT},{zone}"))));
    // Nothing is enforced of a lifted label: it is one like any other.
    let team = r#"{"name":"team","value":"x","isRegex":false}"#;
    assert_eq!(written(body(&format!("{env},{team}")), &both), Ok(body(&format!("{env},{team},{FRUIT},{zone}"))));
    let lifted = scope(&[("tenant", &[])]);
    for matchers in [JOB, r#"{"name":"tenant","value":".*","isRegex":true,"isEqual":false}"#, ""] {
        assert_eq!(written(body(matchers), &lifted), Ok(body(matchers)));
    }
}

#[test]
fn an_id_is_read_and_an_empty_one_is_none() {
    let id = |value: &str| narrow_write(format!(r#"{{"id":{value},"matchers":[{JOB}]}}"#).as_bytes(), &one());
    for (value, expected) in [
        (format!("{ID:?}"), Some(ID)),
        (r#""761cc032\u002d7f67-4e36-bb92-0c1548d49b08""#.to_owned(), Some(ID)),
        (r#""""#.to_owned(), None),
        ("null".to_owned(), None),
    ] {
        let write = id(&value).expect("a silence");
        assert_eq!(write.id.as_ref().map(SilenceId::as_str), expected, "{value}");
        assert_eq!(write.body, format!(r#"{{"id":{value},"matchers":[{JOB},{FRUIT}]}}"#));
    }
    for value in [
        r#""x""#,
        r#"" ""#,
        r#""{761cc032-7f67-4e36-bb92-0c1548d49b08}""#,
        r#""761cc0327f674e36bb920c1548d49b08""#,
        r#""..""#,
    ] {
        assert_eq!(id(value), Err(SilenceError::Id), "{value}");
    }
    assert_eq!(SilenceError::Id.to_string(), "`id` names no silence: leave it out to create one");
}

#[test]
fn all_that_a_client_may_say_beside_the_matchers_stays_as_it_is() {
    for rest in [
        REST,
        r#""comment":"\ud800 \u00e9é","STARTSAT":"now","createdBy":null"#,
        r#""annotations":{"a":"b","a":"c","":null}"#,
        r#""annotations":null, "id":"" "#,
        r#" "annot\u0061tions" : { } "#,
    ] {
        for name in ["matchers", "MATCHERs", r"m\u0061tchers", r"\u004datchers"] {
            let sent = format!("\n{{{rest} ,\t\"{name}\":[ {JOB}\r\n] }} ");
            assert_eq!(written(&sent, &one()), Ok(sent.replace("\r\n]", &format!("\r\n,{FRUIT}]"))), "{rest}");
        }
    }
}

#[test]
fn what_alertmanager_would_read_in_another_way_or_not_at_all_is_refused() {
    let not_json =
        "the body must be one silence: a JSON object in UTF-8 whose `matchers` are objects, and nothing behind it";
    let list = "`matchers` must be a list of matchers";
    let object = |members: &str| format!(r#"{{"matchers":[{JOB}],{members}}}"#);
    let matcher = |members: &str| body(&format!("{JOB},{{{members}}}"));
    let unknown = |name: &str| {
        format!("`{name}` is not written to a silence or a matcher: leave it out (what is read has more members)")
    };
    let repeated = |name: &str| format!("`{name}` is there twice (its case does not count): send it once");
    let missing = |name: &str| format!("`{name}` is missing: send it");
    let mistyped = |name: &str, expected: &str| format!("`{name}` must be {expected}");
    let text = "a string";
    let flag = "true or false";
    for (body, refusal) in [
        // Not one object.
        (String::new(), not_json.to_owned()),
        (" ".into(), not_json.into()),
        ("null".into(), not_json.into()),
        ("[]".into(), not_json.into()),
        (format!("[{}]", body(JOB)), not_json.into()),
        (r#""x""#.into(), not_json.into()),
        ("{".into(), not_json.into()),
        (body(JOB).replace(" }", ", }"), not_json.into()),
        (body(JOB).replace("[", "[,"), not_json.into()),
        (format!("{}x", body(JOB)), not_json.into()),
        (format!("{}{{}}", body(JOB)), not_json.into()),
        (format!("{}\0", body(JOB)), not_json.into()),
        (format!("{}// x", body(JOB)), not_json.into()),
        (format!("\u{feff}{}", body(JOB)), not_json.into()),
        (body(JOB).replace('"', "'"), not_json.into()),
        (object("\"comment\":\"a\nb\""), not_json.into()),
        (object(r#""comment":NaN"#), not_json.into()),
        (object(r#""comment":"\x61""#), not_json.into()),
        ("{}".into(), missing("matchers")),
        // Names.
        (object(r#""status":{"state":"active"}"#), unknown("status")),
        (object(r#""updatedAt":"x""#), unknown("updatedAt")),
        (object(r#""":1"#), unknown("")),
        (object(r#""matchers ":[]"#), unknown("matchers ")),
        (object(r#""matcher\u017f":[]"#), unknown("matcher\u{17f}")),
        (object("\"matcher\u{17f}\":[]"), unknown("matcher\u{17f}")),
        (object(r#""matchers\u0000":[]"#), unknown("matchers\0")),
        (object(&format!("\"{}\":1", "y".repeat(1 << 20))), unknown(&"y".repeat(40))),
        (object(r#""matchers":[]"#), repeated("matchers")),
        (object(r#""Matchers":[]"#), repeated("matchers")),
        (object(r#""m\u0061tchers":[]"#), repeated("matchers")),
        (object(r#""M\u0041TCHERS":null"#), repeated("matchers")),
        (object(r#""id":"","ID":"x""#), repeated("id")),
        (object(r#""id":null,"id":"""#), repeated("id")),
        (object(r#""comment":"a","Comment":"b""#), repeated("comment")),
        (matcher(r#""name":"a","value":"b","isRegex":false,"x":1"#), unknown("x")),
        (matcher(r#""name":"a","value":"b","isRegex":false,"i\u017fEqual":false"#), unknown("i\u{17f}Equal")),
        (matcher(r#""name":"a","Name":"tenant","value":"b","isRegex":false"#), repeated("name")),
        (matcher(r#""name":"a","n\u0061me":"tenant","value":"b","isRegex":false"#), repeated("name")),
        (matcher(r#""name":"a","value":"b","isRegex":false,"isEqual":true,"isequal":false"#), repeated("isEqual")),
        (matcher(r#""name":"a","value":"b","isRegex":false,"isEqual":null,"isEqual":false"#), repeated("isEqual")),
        (matcher(r#""name":"a","value":"b","VALUE":"c","isRegex":false"#), repeated("value")),
        (matcher(r#""name":"a","value":"b","isRegex":false,"ISREGEX":true"#), repeated("isRegex")),
        // What is missing, or of another type.
        (r#"{"matchers":null}"#.into(), missing("matchers")),
        (r#"{"matchers":{}}"#.into(), list.into()),
        (r#"{"matchers":"[]"}"#.into(), list.into()),
        (r#"{"matchers":1}"#.into(), list.into()),
        (body("null"), not_json.into()),
        (body(&format!("{JOB},null")), not_json.into()),
        (body(&format!("{JOB},[]")), not_json.into()),
        (body(&format!("[{JOB}]")), not_json.into()),
        (body(&format!("{JOB},\"tenant\"")), not_json.into()),
        (body("{}"), missing("name")),
        (matcher(r#""value":"b","isRegex":false"#), missing("name")),
        (matcher(r#""name":"a","isRegex":false"#), missing("value")),
        (matcher(r#""name":"a","value":"b""#), missing("isRegex")),
        (matcher(r#""name":"a","value":"b","isRegex":null"#), missing("isRegex")),
        (matcher(r#""name":null,"value":"b","isRegex":false"#), missing("name")),
        (matcher(r#""name":1,"value":"b","isRegex":false"#), mistyped("name", text)),
        (matcher(r#""name":["tenant"],"value":"b","isRegex":false"#), mistyped("name", text)),
        (matcher(r#""name":"\ud800","value":"b","isRegex":false"#), mistyped("name", text)),
        (matcher(r#""name":"a","value":1,"isRegex":false"#), mistyped("value", text)),
        (matcher(r#""name":"a","value":{"x":"b"},"isRegex":false"#), mistyped("value", text)),
        (matcher(r#""name":"a","value":"b","isRegex":"false""#), mistyped("isRegex", flag)),
        (matcher(r#""name":"a","value":"b","isRegex":0"#), mistyped("isRegex", flag)),
        (matcher(r#""name":"a","value":"b","isRegex":false,"isEqual":"false""#), mistyped("isEqual", flag)),
        (matcher(r#""name":"a","value":"b","isRegex":false,"isEqual":0"#), mistyped("isEqual", flag)),
        (matcher(r#""name":"a","value":"b","isRegex":false,"isEqual":[true]"#), mistyped("isEqual", flag)),
        (object(r#""id":1"#), mistyped("id", text)),
        (object(r#""id":["x"]"#), mistyped("id", text)),
        (object(r#""id":"\ud800""#), mistyped("id", text)),
        (object(r#""startsAt":1"#), mistyped("startsAt", text)),
        (object(r#""endsAt":{}"#), mistyped("endsAt", text)),
        (object(r#""createdBy":true"#), mistyped("createdBy", text)),
        (object(r#""comment":["x"]"#), mistyped("comment", text)),
        (object(r#""annotations":[]"#), mistyped("annotations", "an object of strings")),
        (object(r#""annotations":"x""#), mistyped("annotations", "an object of strings")),
        (object(r#""annotations":{"a":1}"#), mistyped("annotations", "an object of strings")),
        (object(r#""annotations":{"a":{"matchers":[]}}"#), mistyped("annotations", "an object of strings")),
    ] {
        for scope in [one(), two(), scope(&[("tenant", &[])])] {
            assert_eq!(written(&body, &scope), Err(refusal.clone()), "{:.200}", body);
        }
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let mut sent = body(JOB).into_bytes();
    let place = sent.len() - 4;
    sent[place] = 0xff;
    assert_eq!(narrow_write(&sent, &one()), Err(SilenceError::NotJson));
}

#[test]
fn depth_and_number_cost_no_more_than_their_bytes() {
    for deep in
        ["[".repeat(100_000), "{\"a\":".repeat(50_000), format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))]
    {
        assert!(narrow_write(deep.as_bytes(), &one()).is_err());
        assert!(narrow_write(format!(r#"{{"matchers":{deep}"#).as_bytes(), &one()).is_err());
        assert!(narrow_write(format!(r#"{{"matchers":[{JOB},{deep}]}}"#).as_bytes(), &one()).is_err());
        assert!(narrow_write(format!(r#"{{"comment":{deep}}}"#).as_bytes(), &one()).is_err());
    }
    let pattern = format!(r#"{{"name":"a","value":"{}","isRegex":true}}"#, "(".repeat(100_000));
    assert!(narrow_write(body(&pattern).as_bytes(), &one()).is_ok());
    let many = vec![JOB; 5_000].join(",");
    assert_eq!(written(body(&many), &one()), Ok(body(&format!("{many},{FRUIT}"))));
}

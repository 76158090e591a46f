use super::policy::{Audit, HeaderSyntax, Limits, Meaning, Metadata, PathPrefix, ResponseHeaders, Source, Unmapped};
use super::*;
use crate::promql::{Dialect, Feature, TextLimits};
use crate::protobuf_writer::{entry, structure, value as encoded};

const SMALLEST: &str = r#"{"labels":[{"name":"tenant","jwt_claim":"tenant"}]}"#;

fn taken(text: &str) -> Policy {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(bytes: &[u8]) -> String {
    parse(bytes).map_or_else(|error| error.to_string(), |policy| panic!("taken as {policy:?}"))
}

fn plain(prefix: &str) -> PathPrefix {
    PathPrefix { before: prefix.to_owned(), named: None }
}

fn as_struct(text: &str) -> Vec<u8> {
    let Value::Object(entries) = serde_json::from_str(text).expect("valid JSON") else { panic!("{text} is no object") };
    structure(&entries)
}

#[test]
fn what_is_not_written_has_the_default_of_the_contract() {
    let policy = taken(SMALLEST);
    assert_eq!(policy.jwt.namespace, "envoy.filters.http.jwt_authn");
    assert_eq!(policy.jwt.payload_key, "payload");
    assert_eq!(policy.route_metadata_namespace, "prom-label-filter");
    assert_eq!(policy.path_prefix, PathPrefix::default());
    assert_eq!(policy.metadata, Metadata::Empty);
    assert_eq!(policy.response_headers, ResponseHeaders::SentAtOnce);
    assert_eq!(policy.audit, Audit::WithoutQueries);
    assert_eq!(policy.promql.dialect(), &Dialect::default());
    assert!(policy.extra_parameters.is_empty());
    let text = TextLimits { query_bytes: 65_536, output_bytes: 262_144, nesting: 200, selectors: 1_000 };
    let limits = Limits {
        text,
        form_bytes: 1_048_576,
        response_bytes: 67_108_864,
        buffered_bytes: 268_435_456,
        parameters: 200,
        values: 1_000,
        cache_bytes: 4_194_304,
    };
    assert_eq!(policy.limits, limits);
    let [rule] = policy.rules.as_slice() else { panic!("{:?}", policy.rules) };
    assert_eq!(rule.name.as_str(), "tenant");
    assert_eq!(rule.source, Source::JwtClaim(vec!["tenant".to_owned()]));
    assert_eq!(rule.unmapped, Unmapped::StaysItself);
    assert!(matches!(rule.meaning, Meaning::Literal));
    assert!(rule.values_map.is_empty() && rule.danger_unrestricted.is_empty());
}

#[test]
fn what_is_written_is_what_it_means() {
    let policy = taken(
        r#"{"labels":[
            {"name":"a","values":["y","x","y"]},
            {"name":"b","header":"X-Tenant"},
            {"name":"c","header":"x-tenant","header_uses_list_syntax":true},
            {"name":"d","jwt_claim":"realm.tenants","values_map":{"tomato":["veggie","fruit"]},"values_map_only":true},
            {"name":"e","jwt_claim":["realm","tenants"],"danger_unrestricted":["sre","ops"]},
            {"name":"f.g","route_metadata":"tenant"},
            {"name":"h","route_metadata":["a","b"],"regex_match":true}],
        "jwt":{"metadata_namespace":"n","payload_key":"k"},"route_metadata_namespace":"r","path_prefix":"/a/b/",
        "metadata":"danger_pass","hold_response_headers":true,"audit_query":true,"extra_parameters":["nocache"],
        "promql":{"experimental_functions":true,"duration_expressions":false,"extended_range_selectors":true,
            "binop_fill_modifiers":true,"extra_functions":["xrate"]},
        "limits":{"query_bytes":1,"form_bytes":2,"response_bytes":3,"buffered_bytes":4,"output_bytes":5,"parameters":6,
            "values":7,"nesting":8,"selectors":9,"cache_bytes":0}}"#,
    );
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let sources: Vec<_> = policy.rules.iter().map(|rule| (rule.name.as_str(), rule.source.clone())).collect();
    let header = |syntax| Source::Header { name: "x-tenant".to_owned(), syntax };
    let fixed = ["x", "y"].map(|text| crate::scope::LabelValue::new(text).expect("a value")).to_vec();
    assert_eq!(
        sources,
        [
            ("a", Source::Static(fixed)),
            ("b", header(HeaderSyntax::ValuePerLine)),
            ("c", header(HeaderSyntax::CommaList)),
            ("d", Source::JwtClaim(owned(&["realm.tenants"]))),
            ("e", Source::JwtClaim(owned(&["realm", "tenants"]))),
            ("f.g", Source::RouteMetadata(owned(&["tenant"]))),
            ("h", Source::RouteMetadata(owned(&["a", "b"]))),
        ]
    );
    let mapped = &policy.rules[3];
    assert_eq!(mapped.unmapped, Unmapped::Refused);
    assert!(mapped.values_map["tomato"].contains("fruit") && mapped.values_map["tomato"].contains("veggie"));
    assert!(matches!(mapped.meaning, Meaning::Literal) && matches!(policy.rules[6].meaning, Meaning::Pattern(_)));
    assert_eq!(policy.rules[4].danger_unrestricted.iter().collect::<Vec<_>>(), ["ops", "sre"]);
    assert_eq!((policy.jwt.namespace.as_str(), policy.jwt.payload_key.as_str()), ("n", "k"));
    assert_eq!((policy.route_metadata_namespace.as_str(), policy.path_prefix), ("r", plain("/a/b")));
    assert_eq!((policy.metadata, policy.response_headers), (Metadata::DangerPass, ResponseHeaders::Held));
    assert_eq!(policy.audit, Audit::WithQueries);
    assert_eq!(policy.extra_parameters.iter().collect::<Vec<_>>(), ["nocache"]);
    let dialect = Dialect {
        experimental_functions: Feature::On,
        duration_expressions: Feature::Off,
        extended_range_selectors: Feature::On,
        binop_fill_modifiers: Feature::On,
        extra_functions: ["xrate".to_owned()].into(),
    };
    assert_eq!(policy.promql.dialect(), &dialect);
    let text = TextLimits { query_bytes: 1, output_bytes: 5, nesting: 8, selectors: 9 };
    let limits =
        Limits { text, form_bytes: 2, response_bytes: 3, buffered_bytes: 4, parameters: 6, values: 7, cache_bytes: 0 };
    assert_eq!(policy.limits, limits);
}

#[test]
fn a_path_prefix_loses_its_last_slash() {
    for (text, prefix) in [("/", ""), ("/a", "/a"), ("/a/", "/a"), ("/a/b.c~/", "/a/b.c~"), ("/...", "/...")] {
        let policy = taken(&SMALLEST.replacen('{', &format!(r#"{{"path_prefix":"{text}","#), 1));
        assert_eq!(policy.path_prefix, plain(prefix), "{text}");
    }
}

#[test]
fn a_prefix_is_taken_off_with_the_segment_that_it_names() {
    let named = |text: &str| {
        let text = format!(r#"{{"labels":[{{"name":"tenant","path_param":"t"}}],"path_prefix":"{text}"}}"#);
        taken(&text).path_prefix
    };
    for (prefix, path, stripped) in [
        (plain(""), "/api", Some(("/api", None))),
        (plain("/a"), "/a/api", Some(("/api", None))),
        (plain("/a"), "/b/api", None),
        (named("/{t}"), "/x/api", Some(("/api", Some("x")))),
        (named("/{t}/"), "/x", Some(("", Some("x")))),
        (named("/t/{t}"), "/t/team-a/api/v1", Some(("/api/v1", Some("team-a")))),
        (named("/t/{t}"), "/t//api", None),
        (named("/t/{t}"), "/tx/api", None),
        (named("/t/{t}"), "/t", None),
        (named("/t/{t}/p/q/"), "/t/x/p/q/api", Some(("/api", Some("x")))),
        (named("/t/{t}/p"), "/t/x/q/api", None),
        (named("/t/{t}"), "/T/x/api", None),
        (named("/t/{t}"), "/t/é/api", Some(("/api", Some("é")))),
    ] {
        assert_eq!(prefix.strip(path), stripped, "{prefix:?} {path}");
    }
}

#[test]
fn json_text_and_struct_mean_the_same() {
    let all = r#"{"labels":[{"name":"tenant","jwt_claim":["a","b"],"values_map":{"x":["y"]},"danger_unrestricted":["z"]}],
        "limits":{"values":7},"hold_response_headers":true}"#;
    for text in [SMALLEST, all] {
        let policy = format!("{:?}", taken(text));
        let written = parse(&as_struct(text)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(format!("{written:?}"), policy);
        // A line feed is also the tag of a struct's first entry, and `{` a length that it can have.
        for space in ["\n", "\n\n", "\r\n\t "] {
            assert_eq!(format!("{:?}", taken(&format!("{space}{text}\n"))), policy);
        }
    }
}

#[test]
fn a_struct_that_begins_like_json_text_is_a_struct() {
    // The first entry is 0x7b bytes long, so the struct begins with "\n{".
    let named = |length: usize| Value::String("n".repeat(length));
    let bytes = (0..0x7b)
        .map(|length| {
            let first = entry("route_metadata_namespace", &encoded(&named(length)));
            [first, as_struct(SMALLEST)].concat()
        })
        .find(|bytes| bytes.starts_with(b"\n{"))
        .expect("a length that makes it so");
    assert!(parse(&bytes).is_ok_and(|policy| policy.route_metadata_namespace.starts_with("nnn")));
}

#[test]
fn keys_that_a_struct_repeats_are_a_problem_as_in_text() {
    let twice = [as_struct(SMALLEST), as_struct(SMALLEST)].concat();
    assert_eq!(refusal(&twice), "labels: is written more than once; keep one");
}

#[test]
fn an_empty_configuration_is_told_what_is_needed() {
    for bytes in [&b""[..], b" \n", b"null", b"{}"] {
        let text = refusal(bytes);
        assert!(text.starts_with("labels: is needed") && text.ends_with(SMALLEST), "{text}");
    }
}

#[test]
fn what_is_neither_json_nor_a_struct_is_told_where() {
    let mut cut = as_struct(SMALLEST);
    cut.pop();
    for (bytes, start) in [
        (&br#"{"labels":"#[..], "not valid JSON: EOF while parsing a value at line 1 column 10; YAML"),
        (b"{\n \"labels\": }", "not valid JSON: expected value at line 2 column 12; YAML"),
        (b"labels:\n- name: tenant\n", "not valid JSON: expected value at line 1 column 1; YAML"),
        (b"{} {}", "not valid JSON: trailing characters at line 1 column 4; YAML"),
        (b"{\"labels\x12\":1}", "not valid JSON: control character"),
        (b"{\"a\":\"\xff\"}", "neither a protobuf struct nor text: not UTF-8 at byte 6; write it as JSON"),
        (&cut, "not valid JSON: "),
    ] {
        assert!(refusal(bytes).starts_with(start), "{:?}", refusal(bytes));
    }
    assert!(refusal("[".repeat(10_000).as_bytes()).contains("recursion limit"));
}

#[test]
fn a_configuration_cut_at_any_byte_is_refused() {
    let bytes = as_struct(SMALLEST);
    for length in 0..bytes.len() {
        assert!(parse(&bytes[..length]).is_err(), "struct cut at {length}");
    }
    for length in 0..SMALLEST.len() {
        assert!(parse(&SMALLEST.as_bytes()[..length]).is_err(), "text cut at {length}");
    }
}

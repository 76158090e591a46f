//! The configuration as operators meet it: every problem with its words, and a schema that says the same.

use prom_label_filter::config::parse;
use serde_json::Value;
use std::collections::BTreeSet;

/// How far the schema can follow the parser in one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schema {
    /// Both take it or both refuse it.
    Agrees,
    /// What is wrong depends on other values, or on lists that are the parser's business.
    CannotSee,
}
use Schema::{Agrees, CannotSee};

/// A rule without a problem, for cases about something else.
const RULE: &str = r#""labels":[{"name":"tenant","jwt_claim":"tenant"}]"#;

/// What a plugin gets of Higress's `matchRules` is refused with.
const FROM_MATCH_RULES: &str = "comes from `matchRules`, which is refused: a request that no rule matches would be nobody's to narrow; \
    write one configuration, in `defaultConfig` alone, and let `labels` say where each request's tenant comes from";

/// The whole configuration around `settings`.
fn with_rule(settings: &str) -> String {
    format!("{{{RULE},{settings}}}")
}

/// The whole configuration around one rule for `tenant` with `settings`.
fn rule(settings: &str) -> String {
    format!(r#"{{"labels":[{{"name":"tenant",{settings}}}]}}"#)
}

fn schema() -> (Value, jsonschema::Validator) {
    let schema = serde_json::from_str(include_str!("../envoy/config.schema.json")).expect("the schema is JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("the schema is a schema");
    (schema, validator)
}

/// The problems of `text`, one a line.
fn problems(text: &str) -> Vec<String> {
    parse(text.as_bytes()).map_or_else(|error| error.to_string().lines().map(str::to_owned).collect(), |_| Vec::new())
}

fn check(validator: &jsonschema::Validator, text: &str, expected: &[&str], schema: Schema) {
    let found = problems(text);
    assert_eq!(found, expected, "{text}");
    if schema == Agrees {
        let instance = serde_json::from_str(text).expect("JSON");
        assert_eq!(validator.is_valid(&instance), found.is_empty(), "the schema differs from the parser about {text}");
    }
}

#[test]
fn configurations_without_a_problem_are_taken() {
    let (_, validator) = schema();
    for text in [
        with_rule(r#""metadata":"empty""#),
        rule(r#""values":["team-fruit"]"#),
        rule(r#""values":["b","a","b"]"#),
        rule(r#""header":"X-Tenant""#),
        rule(r#""header":"X-Tenant","header_uses_list_syntax":true"#),
        rule(r#""header_uses_list_syntax":false,"jwt_claim":"https://example.com/tenant""#),
        rule(r#""jwt_claim":["realm_access","tenants"]"#),
        rule(r#""route_metadata":"tenant""#),
        rule(r#""route_metadata":["a","b"]"#),
        rule(
            r#""jwt_claim":"t","values_map":{"tomato":["fruit","veggie"],"a.b":["x"]},"values_map_only":true,"danger_unrestricted":["sre"]"#,
        ),
        rule(r#""jwt_claim":"t","values_map":{},"values_map_only":false,"danger_unrestricted":[],"regex_match":false"#),
        rule(
            r#""jwt_claim":"t","regex_match":true,"values_map":{"tomato":["team-(fruit|veggie)"],"*":["team-.+"]},"danger_unrestricted":["*"]"#,
        ),
        rule(r#""values":["team-.*"],"regex_match":true"#),
        rule(r#""query_param":"tenant""#),
        rule(r#""peer_certificate":"uri_san","pattern":"spiffe://[^/]+/ns/([^/]+)/sa/.+""#),
        rule(r#""peer_certificate":"dns_san""#),
        rule(r#""peer_certificate":"subject_cn""#),
        rule(r#""peer_certificate":"subject_ou","pattern":"team-(.*)""#),
        rule(r#""peer_certificate":"subject_o""#),
        r#"{"path_prefix":"/tenants/{tenant}/prom","labels":[{"name":"tenant","path_param":"tenant"},{"name":"b","path_param":"tenant"}]}"#.to_owned(),
        r#"{"path_prefix":"/{T_1}","alertmanager":{"enabled":true,"path_prefix":"/am/{T_1}","cluster_path_prefix":"/"},"labels":[{"name":"tenant","path_param":"T_1"}]}"#.to_owned(),
        // As prom-label-proxy's configuration file has it.
        r#"{"labels":[{"name":"tenant","header":"X-Tenant","header_uses_list_syntax":true},{"name":"env","query_param":"env"},{"name":"region","values":["eu","us"]}]}"#.to_owned(),
        with_rule(r#""explain":true,"audit_query":true"#),
        r#"{"labels":[{"name":"tenant.id","header":"x-a"},{"name":"namespace","header":"X-A"}]}"#.to_owned(),
        with_rule(r#""jwt":{},"limits":{},"promql":{},"alertmanager":{}"#),
        with_rule(r#""jwt":{"metadata_namespace":"a","payload_key":"b"},"route_metadata_namespace":"c""#),
        with_rule(r#""path_prefix":"/a/b-c/","metadata":"danger_pass","hold_response_headers":true"#),
        with_rule(
            r#""promql":{"experimental_functions":true,"duration_expressions":false,"extended_range_selectors":true,"binop_fill_modifiers":true,"extra_functions":["xrate","_x1"]}"#,
        ),
        with_rule(r#""extra_parameters":["nocache","X[]"],"metadata":"deny""#),
        with_rule(
            r#""error_on_replace":true,"rules_with_active_alerts":true,"enable_label_matchers_for_rules_api":true,"alerts_from_rules":true,"targets":"filter""#,
        ),
        with_rule(r#""remote_read":"rewrite","ui":"pass","warnings":"scrub","tenant_header":"THANOS-TENANT""#),
        with_rule(r#""danger_passthrough_paths":["/-/healthy","/prom/metrics"],"path_prefix":"/prom""#),
        with_rule(
            r#""alertmanager":{"enabled":true,"path_prefix":"/am/","silence_writes":"allow","cluster":"am","cluster_path_prefix":"/"}"#,
        ),
        with_rule(
            r#""limits":{"query_bytes":1048576,"form_bytes":10485760,"response_bytes":134217728,"buffered_bytes":402653184,"output_bytes":8388608,"parameters":9992,"values":10000,"nesting":1000,"selectors":100000,"cache_bytes":67108864}"#,
        ),
        with_rule(
            r#""limits":{"query_bytes":1,"form_bytes":1,"response_bytes":1,"buffered_bytes":1,"output_bytes":1,"parameters":1,"values":1.0,"nesting":1e2,"selectors":1,"cache_bytes":0}"#,
        ),
        // Every default of the contract, written out.
        with_rule(
            r#""jwt":{"metadata_namespace":"envoy.filters.http.jwt_authn","payload_key":"payload"},
            "route_metadata_namespace":"prom-label-filter","path_prefix":"/","error_on_replace":false,
            "rules_with_active_alerts":false,"enable_label_matchers_for_rules_api":false,"alerts_from_rules":false,"metadata":"empty",
            "targets":"deny","remote_read":"deny","hold_response_headers":false,"ui":"deny",
            "danger_passthrough_paths":[],"extra_parameters":[],"warnings":"pass","explain":false,"audit_query":false,"tenant_header":"",
            "alertmanager":{"enabled":false,"path_prefix":"/","silence_writes":"deny","cluster":"alertmanager"},
            "promql":{"experimental_functions":false,"duration_expressions":true,"extended_range_selectors":false,
                "binop_fill_modifiers":false,"extra_functions":[]},
            "limits":{"query_bytes":65536,"form_bytes":1048576,"response_bytes":67108864,"buffered_bytes":268435456,
                "output_bytes":262144,"parameters":200,"values":1000,"nesting":200,"selectors":1000,"cache_bytes":4194304}"#,
        ),
    ] {
        check(&validator, &text, &[], Agrees);
    }
}

#[test]
fn problems_of_rules_are_named() {
    let (_, validator) = schema();
    const NO_SOURCE: &str = "needs a source for the label's value, one of `jwt_claim`, `header`, `query_param`, \
        `route_metadata`, `path_param`, `peer_certificate`, `values`";
    let no_source = format!("labels[0]: {NO_SOURCE}");
    let rules =
        |count: usize| (0..count).map(|n| format!(r#"{{"name":"l{n}","values":["a"]}}"#)).collect::<Vec<_>>().join(",");
    let cases: [(String, &[&str], Schema); _] = [
        (r#"{"labels":[]}"#.to_owned(), &["labels: must hold at least one rule"], Agrees),
        (r#"{"labels":{"name":"a","values":["b"]}}"#.to_owned(), &["labels: must be a list of objects, not an object"], Agrees),
        (r#"{"labels":null}"#.to_owned(), &["labels: must be a list of objects, not null"], Agrees),
        (
            r#"{"labels":["tenant"]}"#.to_owned(),
            &["labels[0]: must be an object, not a string", "labels[0].name: is needed: the label to enforce", &no_source],
            Agrees,
        ),
        (r#"{"labels":[{"values":["a"]}]}"#.to_owned(), &["labels[0].name: is needed: the label to enforce"], Agrees),
        (r#"{"labels":[{"name":"","values":["a"]}]}"#.to_owned(), &["labels[0].name: must not be empty"], Agrees),
        (r#"{"labels":[{"name":7,"values":["a"]}]}"#.to_owned(), &["labels[0].name: must be a string, not a number"], Agrees),
        (
            r#"{"labels":[{"name":"__name__","values":["a"]}]}"#.to_owned(),
            &["labels[0].name: must not be `__name__`, which names the metric and not the tenant"],
            Agrees,
        ),
        (
            r#"{"labels":[{"name":"a\u0000","values":["a"]}]}"#.to_owned(),
            &["labels[0].name: must not hold control characters"],
            Agrees,
        ),
        (
            r#"{"labels":[{"name":"a","values":["x"]},{"name":"b","values":["x"]},{"name":"a","values":["y"]}]}"#.to_owned(),
            &["labels[2].name: `a` is the label of `labels[0]` already; keep one rule a label"],
            CannotSee,
        ),
        (format!(r#"{{"labels":[{}]}}"#, rules(8)), &[], Agrees),
        (format!(r#"{{"labels":[{}]}}"#, rules(9)), &["labels: must hold at most 8 rules, not 9"], Agrees),
        (r#"{"labels":[{"name":"a"}]}"#.to_owned(), &[&no_source], Agrees),
        (rule(r#""values":["a"],"header":"x-a""#), &["labels[0]: has 2 sources, `header` and `values`; keep one"], Agrees),
        (
            rule(r#""values":7,"header":"x-a""#),
            &["labels[0].values: must be a list of strings, not a number", "labels[0]: has 2 sources, `header` and `values`; keep one"],
            Agrees,
        ),
        (
            rule(r#""values":"team-fruit""#),
            &["labels[0].values: must be a list of strings, not a string; put it in brackets"],
            Agrees,
        ),
        (rule(r#""values":[]"#), &["labels[0].values: must not be empty"], Agrees),
        (
            rule(r#""values":["a","",null,"\n"]"#),
            &[
                "labels[0].values[1]: must not be empty",
                "labels[0].values[2]: must be a string, not null",
                "labels[0].values[3]: must not hold control characters",
            ],
            Agrees,
        ),
        (rule(r#""jwt_claim":"""#), &["labels[0].jwt_claim: must not be empty"], Agrees),
        (rule(r#""jwt_claim":[]"#), &["labels[0].jwt_claim: must not be empty"], Agrees),
        (rule(r#""jwt_claim":["a",""]"#), &["labels[0].jwt_claim[1]: must not be empty"], Agrees),
        (
            rule(r#""route_metadata":true"#),
            &["labels[0].route_metadata: must be a string or a list of strings, not a boolean"],
            Agrees,
        ),
        (rule(r#""header":["x-a"]"#), &["labels[0].header: must be a string, not a list"], Agrees),
        (rule(r#""header":"""#), &["labels[0].header: must not be empty"], Agrees),
        (
            rule(r#""header":":authority""#),
            &["labels[0].header: `:authority` is a pseudo header, which cannot be removed; name a header of your own"],
            Agrees,
        ),
        (
            rule(r#""header":"X Tenant""#),
            &["labels[0].header: `X Tenant` is no header name: letters, digits and `-` make one"],
            Agrees,
        ),
        (
            rule(r#""header":"Host""#),
            &["labels[0].header: `host` belongs to HTTP itself, and the request breaks when it is removed; name a header of your own"],
            CannotSee,
        ),
        (
            rule(r#""header":"Authorization""#),
            &["labels[0].header: `authorization` holds a secret, which would be written into queries; verify it in front of the filter and use `jwt_claim`"],
            CannotSee,
        ),
        (
            rule(r#""jwt_claim":"t","header_uses_list_syntax":true"#),
            &["labels[0].header_uses_list_syntax: needs `header`; remove it or name the header"],
            Agrees,
        ),
        (
            rule(r#""header":"x-a","header_uses_list_syntax":"yes""#),
            &["labels[0].header_uses_list_syntax: must be `true` or `false`, not a string"],
            Agrees,
        ),
        (
            rule(r#""peer_certificate":"cn""#),
            &["labels[0].peer_certificate: must be one of `uri_san`, `dns_san`, `subject_cn`, `subject_ou`, `subject_o`, not `cn`"],
            Agrees,
        ),
        (
            rule(r#""peer_certificate":"uri_san","pattern":"spiffe://(.+)/(.+)""#),
            &["labels[0].pattern: `spiffe://(.+)/(.+)` must have one group, for the part that names the tenant, not 2: `spiffe://[^/]+/ns/([^/]+)/sa/.+`, with `(?:…)` for other groups"],
            CannotSee,
        ),
        (
            rule(r#""peer_certificate":"uri_san","pattern":"(a{1000}{1000})""#),
            &["labels[0].pattern: `(a{1000}{1000})` is no pattern: compiled regex exceeded size limit"],
            CannotSee,
        ),
        (
            rule(r#""jwt_claim":"t","pattern":"(.*)""#),
            &["labels[0].pattern: needs `peer_certificate`; remove it"],
            Agrees,
        ),
        (rule(r#""query_param":7"#), &["labels[0].query_param: must be a string, not a number"], Agrees),
        (rule(r#""query_param":"""#), &["labels[0].query_param: must not be empty"], Agrees),
        (rule(r#""query_param":"a\nb""#), &["labels[0].query_param: must not hold control characters"], CannotSee),
        (
            rule(r#""query_param":"Match[]""#),
            &["labels[0].query_param: `Match[]` is a parameter of the API itself, which would lose it; name one of your own"],
            CannotSee,
        ),
        (
            rule(r#""path_param":"tenant""#),
            &["labels[0].path_param: names no segment of `path_prefix`; write `path_prefix: /tenants/{tenant}`, say"],
            CannotSee,
        ),
        (
            rule(r#""jwt_claim":"t","regex_match":"yes""#),
            &["labels[0].regex_match: must be `true` or `false`, not a string"],
            Agrees,
        ),
        (
            rule(r#""values":["team-(?i)a"],"regex_match":true"#),
            &["labels[0].values[0]: `team-(?i)a` is no pattern that upstream and filter read alike: at character 6, a group is `(…)` or `(?:…)`, without flags and without a name"],
            CannotSee,
        ),
        (
            rule(r#""jwt_claim":"t","regex_match":true,"values_map":{"tomato":[".*",""],"veggie":["a**"]}"#),
            &[
                "labels[0].values_map.tomato[0]: `.*` is a pattern that matches the empty string, as a label that is missing does; try `.+` for `.*`",
                "labels[0].values_map.tomato[1]: must not be empty",
                "labels[0].values_map.veggie[0]: `a**` is no pattern that upstream and filter read alike: at character 3, there is nothing here to repeat: a repetition follows a character, brackets or a group, once",
            ],
            Agrees,
        ),
        (
            rule(r#""values":["a.*","b"],"regex_match":true"#),
            &["labels[0].values: has 2 patterns, and `regex_match` takes one; join them: `a|b`"],
            Agrees,
        ),
        (
            rule(r#""jwt_claim":"t","regex_match":true,"values_map":{"x":["a","b","c"]}"#),
            &["labels[0].values_map: `x` has 3 patterns, and `regex_match` takes one; join them: `a|b`"],
            Agrees,
        ),
        (rule(r#""jwt_claim":"t","values_map":["a"]"#), &["labels[0].values_map: must be an object, not a list"], Agrees),
        (
            rule(r#""jwt_claim":"t","values_map":{"":["a"],"x.y":[],"tomato":["a",""],"b":"c"}"#),
            &[
                "labels[0].values_map[``]: the key must not be empty: no identity is empty",
                "labels[0].values_map[`x.y`]: must not be empty",
                "labels[0].values_map.tomato[1]: must not be empty",
                "labels[0].values_map.b: must be a list of strings, not a string; put it in brackets",
            ],
            Agrees,
        ),
        (
            rule(r#""jwt_claim":"t","values_map":{"a":["b"],"a":["c"]}"#),
            &["labels[0].values_map.a: is written more than once; keep one"],
            CannotSee,
        ),
        (
            rule(r#""jwt_claim":"t","values_map_only":true"#),
            &["labels[0].values_map_only: needs `values_map`: without it every identity is refused"],
            Agrees,
        ),
        (
            rule(r#""jwt_claim":"t","values_map":{},"values_map_only":true"#),
            &["labels[0].values_map_only: needs `values_map`: without it every identity is refused"],
            Agrees,
        ),
        (
            rule(r#""jwt_claim":"t","danger_unrestricted":["","a","a",1]"#),
            &["labels[0].danger_unrestricted[0]: must not be empty", "labels[0].danger_unrestricted[3]: must be a string, not a number"],
            Agrees,
        ),
        (
            rule(r#""jwt_claim":"t","danger_unrestricted":["a","a"]"#),
            &["labels[0].danger_unrestricted[1]: is in the list already; remove it"],
            Agrees,
        ),
        (
            rule(r#""jwt_claims":"t""#),
            &[&no_source, "labels[0].jwt_claims: unknown setting; did you mean `jwt_claim`?"],
            Agrees,
        ),
        (
            r#"{"labels":[{"name":"tenant","values":["a","b"],"values":["c"]}]}"#.to_owned(),
            &["labels[0].values: is written more than once; keep one"],
            CannotSee,
        ),
        (
            r#"{"limits":{"values":1},"labels":[{"name":"t","values":["a","b"]},{"name":"u","jwt_claim":"u","values_map":{"x":["a","b"]}}]}"#
                .to_owned(),
            &[
                "labels[0].values: has 2 values, more than `limits.values` allows (1); raise that limit",
                "labels[1].values_map: `x` has 2 values, more than `limits.values` allows (1); raise that limit",
            ],
            CannotSee,
        ),
    ];
    for (text, expected, schema) in cases {
        check(&validator, &text, expected, schema);
    }
}

#[test]
fn problems_of_the_other_settings_are_named() {
    let (_, validator) = schema();
    let smallest = "labels: is needed: which label to enforce and where its value comes from; \
        the smallest configuration is {\"labels\":[{\"name\":\"tenant\",\"jwt_claim\":\"tenant\"}]}";
    let cases: [(String, &[&str], Schema); _] = [
        ("{}".to_owned(), &[smallest], Agrees),
        ("[]".to_owned(), &["must be an object, not a list", smallest], Agrees),
        (with_rule(r#""jwt":[]"#), &["jwt: must be an object, not a list"], Agrees),
        (with_rule(r#""jwt":{"payload_key":"","metadata_namespace":null}"#), &[
            "jwt.metadata_namespace: must be a string, not null",
            "jwt.payload_key: must not be empty",
        ], Agrees),
        (with_rule(r#""route_metadata_namespace":"""#), &["route_metadata_namespace: must not be empty"], Agrees),
        (with_rule(r#""path_prefix":"prom""#), &["path_prefix: must start with `/`, not `prom`"], Agrees),
        (with_rule(r#""path_prefix":"""#), &["path_prefix: must start with `/`, not ``"], Agrees),
        (with_rule(r#""path_prefix":"/a//b""#), &["path_prefix: must not hold `//`, `/./` or `/../`: no request that is served has them"], Agrees),
        (with_rule(r#""path_prefix":"//""#), &["path_prefix: must not hold `//`, `/./` or `/../`: no request that is served has them"], Agrees),
        (with_rule(r#""path_prefix":"/a/..""#), &["path_prefix: must not hold `//`, `/./` or `/../`: no request that is served has them"], Agrees),
        (with_rule(r#""path_prefix":"/./a""#), &["path_prefix: must not hold `//`, `/./` or `/../`: no request that is served has them"], Agrees),
        (with_rule(r#""path_prefix":"/a?b""#), &["path_prefix: must not hold `?`: write the path plainly, without a query"], Agrees),
        (with_rule(r#""path_prefix":"/a%2f""#), &["path_prefix: must not hold `%`: write the path plainly, without a query"], Agrees),
        (with_rule(r#""path_prefix":"/a#""#), &["path_prefix: must not hold `#`: write the path plainly, without a query"], Agrees),
        (with_rule(r#""path_prefix":"/é""#), &["path_prefix: must not hold `é`: write the path plainly, without a query"], Agrees),
        (with_rule(r#""path_prefix":"/a\n""#), &[r"path_prefix: must not hold `\n`: write the path plainly, without a query"], Agrees),
        (with_rule(r#""path_prefix":"/t-{tenant}""#), &[
            "path_prefix: may name one whole segment, by letters, digits and `_`: `/tenants/{tenant}`, not `/t-{tenant}`",
        ], Agrees),
        (with_rule(r#""path_prefix":"/{a}/{b}""#), &[
            "path_prefix: may name one whole segment, by letters, digits and `_`: `/tenants/{tenant}`, not `/{a}/{b}`",
        ], Agrees),
        (with_rule(r#""path_prefix":"/{a}x""#), &[
            "path_prefix: may name one whole segment, by letters, digits and `_`: `/tenants/{tenant}`, not `/{a}x`",
        ], Agrees),
        (with_rule(r#""path_prefix":"/{a""#), &[
            "path_prefix: may name one whole segment, by letters, digits and `_`: `/tenants/{tenant}`, not `/{a`",
        ], Agrees),
        (with_rule(r#""path_prefix":"/{}""#), &[
            "path_prefix: may name one whole segment, by letters, digits and `_`: `/tenants/{tenant}`, not `/{}`",
        ], Agrees),
        (with_rule(r#""path_prefix":"/a}""#), &["path_prefix: must not hold `}`: write the path plainly, without a query"], Agrees),
        (with_rule(r#""path_prefix":"/a//{b}""#), &[
            "path_prefix: must not hold `//`, `/./` or `/../`: no request that is served has them",
        ], Agrees),
        (with_rule(r#""path_prefix":"/t/{tenant}""#), &[
            "path_prefix: names `tenant`, which no label takes; give a label `path_param: tenant`",
        ], CannotSee),
        (r#"{"path_prefix":"/{t}","alertmanager":{"enabled":true},"labels":[{"name":"tenant","path_param":"t"}]}"#.to_owned(), &[
            "alertmanager.path_prefix: must name a segment if the other `path_prefix` does, and by the same name: a tenant is named on every path or on none",
        ], CannotSee),
        (r#"{"path_prefix":"/{t}","alertmanager":{"enabled":true,"path_prefix":"/{t}/am"},"labels":[{"name":"tenant","path_param":"t"}]}"#.to_owned(), &[
            "alertmanager.cluster_path_prefix: is needed beside a named segment: what stands in front of `/api/v2` at Alertmanager itself, `/` for nothing",
        ], CannotSee),
        (r#"{"labels":[{"name":"a","query_param":"tenant"}],"extra_parameters":["tenant"]}"#.to_owned(), &[
            "extra_parameters: `tenant` is where a label comes from, and never goes on; remove it",
        ], CannotSee),
        (with_rule(r#""metadata":"pass""#), &["metadata: must be one of `empty`, `deny`, `danger_pass`, not `pass`"], Agrees),
        (with_rule(r#""metadata":false"#), &["metadata: must be one of `empty`, `deny`, `danger_pass`, not a boolean"], Agrees),
        (with_rule(r#""targets":1,"ui":"allow""#), &[
            "targets: must be one of `deny`, `filter`, not a number",
            "ui: must be one of `deny`, `pass`, not `allow`",
        ], Agrees),
        (with_rule(r#""explain":"true","audit_query":1,"tenant_header":null,"danger_passthrough_paths":"/x""#), &[
            "danger_passthrough_paths: must be a list of strings, not a string; put it in brackets",
            "tenant_header: must be a string, not null",
            "explain: must be `true` or `false`, not a string",
            "audit_query: must be `true` or `false`, not a number",
        ], Agrees),
        (with_rule(r#""danger_passthrough_paths":["","/","x","/a/","//a","/a/../b","/a?b","/a%20b","/{x}","/a","/a"]"#), &[
            "danger_passthrough_paths[0]: must start with `/`, not ``",
            "danger_passthrough_paths[1]: must not be `/`: name the paths one by one",
            "danger_passthrough_paths[2]: must start with `/`, not `x`",
            "danger_passthrough_paths[3]: must not end with a slash: write `/a`",
            "danger_passthrough_paths[4]: must not hold `//`, `/./` or `/../`: no request that is served has them",
            "danger_passthrough_paths[5]: must not hold `//`, `/./` or `/../`: no request that is served has them",
            "danger_passthrough_paths[6]: must not hold `?`: write the path plainly, without a query",
            "danger_passthrough_paths[7]: must not hold `%`: write the path plainly, without a query",
            "danger_passthrough_paths[8]: must not hold `{`: write the path plainly, without a query",
        ], CannotSee),
        (with_rule(r#""danger_passthrough_paths":["/api/v1/query","/x/api/v1/label/a/values","/api/v1/rules","/api/v1/read","/a/api/v2/silences","/prom/federate"]"#), &[
            "danger_passthrough_paths[0]: ends like `/api/v1/query`, which is served for tenants only; remove it from the list",
            "danger_passthrough_paths[1]: ends like `/api/v1/label/<name>/values`, which is served for tenants only; remove it from the list",
            "danger_passthrough_paths[2]: ends like `/api/v1/rules`, which is served for tenants only; remove it from the list",
            "danger_passthrough_paths[3]: ends like `/api/v1/read`, which is served for tenants only; remove it from the list",
            "danger_passthrough_paths[4]: ends like `/api/v2/silences`, which is served for tenants only; remove it from the list",
            "danger_passthrough_paths[5]: ends like `/federate`, which is served for tenants only; remove it from the list",
        ], CannotSee),
        (with_rule(r#""tenant_header":"host""#), &[
            "tenant_header: `host` belongs to HTTP itself, and the request breaks when it is removed; name a header of your own",
        ], CannotSee),
        (with_rule(r#""tenant_header":"X-Envoy-Original-Path""#), &[
            "tenant_header: `x-envoy-original-path` means something to Envoy already; name a header of the upstream's",
        ], CannotSee),
        (with_rule(r#""tenant_header":"x-forwarded-host""#), &[
            "tenant_header: `x-forwarded-host` means something to Envoy already; name a header of the upstream's",
        ], CannotSee),
        (r#"{"labels":[{"name":"a","header":"X-A"}],"tenant_header":"x-a"}"#.to_owned(), &[
            "tenant_header: `x-a` is where a label comes from; name another header",
        ], CannotSee),
        (with_rule(r#""alertmanager":{"enabled":1,"path_prefix":"am","silence_writes":"yes","cluster":"","cluster_path_prefix":"/a//","x":1}"#), &[
            "alertmanager.enabled: must be `true` or `false`, not a number",
            "alertmanager.path_prefix: must start with `/`, not `am`",
            "alertmanager.silence_writes: must be one of `deny`, `allow`, not `yes`",
            "alertmanager.cluster: must not be empty",
            "alertmanager.cluster_path_prefix: must not hold `//`, `/./` or `/../`: no request that is served has them",
            "alertmanager.x: unknown setting; known here: `enabled`, `path_prefix`, `silence_writes`, `cluster`, `cluster_path_prefix`",
        ], Agrees),
        (with_rule(r#""limits":{"response_bytes":134217728,"buffered_bytes":536870912}"#), &[
            "limits: `buffered_bytes` and 4 times `response_bytes` come to 1073741824 bytes, and must not to more than 943718400: the module has 1 GiB of memory, and an answer needs several times its size",
        ], CannotSee),
        (with_rule(r#""promql":{"experimental_functions":1}"#), &["promql.experimental_functions: must be `true` or `false`, not a number"], Agrees),
        (with_rule(r#""promql":{"extra_functions":["xrate()","x-y","","xrate","xrate"]}"#), &[
            "promql.extra_functions[0]: `xrate()` is no function name: letters, digits and `_` make one, without parentheses",
            "promql.extra_functions[1]: `x-y` is no function name: letters, digits and `_` make one, without parentheses",
            "promql.extra_functions[2]: `` is no function name: letters, digits and `_` make one, without parentheses",
        ], Agrees),
        (with_rule(r#""promql":{"extra_functions":["xrate","xrate"]}"#), &["promql.extra_functions[1]: is in the list already; remove it"], Agrees),
        (with_rule(r#""promql":{"extra_functions":["Sum"]}"#), &["promql.extra_functions[0]: `Sum` is a word of PromQL; list only functions that your upstream adds to it"], CannotSee),
        (with_rule(r#""extra_parameters":["","a\u0000"]"#), &[
            "extra_parameters[0]: must not be empty",
            "extra_parameters[1]: must not hold control characters",
        ], Agrees),
        (with_rule(r#""extra_parameters":["a","b","a"]"#), &["extra_parameters[2]: is in the list already; remove it"], Agrees),
        (with_rule(r#""limits":{"nesting":1001}"#), &["limits.nesting: must be a whole number from 1 to 1000, not `1001`: deeper queries would exhaust the stack of the module"], Agrees),
        (with_rule(r#""limits":{"nesting":0}"#), &["limits.nesting: must be a whole number from 1 to 1000, not `0`: deeper queries would exhaust the stack of the module"], Agrees),
        (with_rule(r#""limits":{"values":-1,"parameters":1.5}"#), &[
            "limits.parameters: must be a whole number from 1 to 9992: with more the upstream reads none of them, not even the tenant's matcher",
            "limits.values: must be a whole number from 1 to 10000: all of them are written into each selector",
        ], Agrees),
        (with_rule(r#""limits":{"selectors":-0.0,"form_bytes":1e100}"#), &[
            "limits.selectors: must be a whole number from 1 to 100000: each one costs the upstream a search of its own",
            "limits.form_bytes: must be a whole number from 1 to 10485760: the upstream reads no longer form",
        ], Agrees),
        (with_rule(r#""limits":{"cache_bytes":67108865}"#), &["limits.cache_bytes: must be a whole number from 0 to 67108864, not `67108865`: that is what all plugins of a worker remember together"], Agrees),
        (with_rule(r#""limits":{"query_bytes":"65536"}"#), &["limits.query_bytes: must be a whole number, not a string"], Agrees),
        (with_rule(r#""limits":{"buffered_bytes":2147483649}"#), &["limits.buffered_bytes: must be a whole number from 1 to 536870912, not `2147483649`: the module has 1 GiB of memory, and an answer needs twice its size"], Agrees),
        (with_rule(r#""lables":[],"jwt":{"payloadkey":"a"}"#), &[
            "jwt.payloadkey: unknown setting; did you mean `payload_key`?",
            "lables: unknown setting; did you mean `labels`?",
        ], Agrees),
        (with_rule(r#""jwt":{"issuer":"a","issuer":"b"},"jwt":{}"#), &["jwt: is written more than once; keep one"], CannotSee),
        (with_rule(r#""jwt":{"issuer":"a","issuer":"b"}"#), &[
            "jwt.issuer: is written more than once; keep one",
            "jwt.issuer: unknown setting; known here: `metadata_namespace`, `payload_key`",
        ], CannotSee),
        (with_rule(r#""_rules_":[{"_match_route_":["a"],"labels":[]}],"_match_domain_":["b"]"#), &[
            &format!("_rules_: {FROM_MATCH_RULES}"),
            &format!("_match_domain_: {FROM_MATCH_RULES}"),
        ], Agrees),
        // Everything at once, to the end.
        (r#"{"labels":[{"name":"__name__","values":[]},{"header":"a b"}],"metadata":"x","zzz":1,"limits":{"values":0}}"#.to_owned(), &[
            "limits.values: must be a whole number from 1 to 10000, not `0`: all of them are written into each selector",
            "labels[0].name: must not be `__name__`, which names the metric and not the tenant",
            "labels[0].values: must not be empty",
            "labels[1].name: is needed: the label to enforce",
            "labels[1].header: `a b` is no header name: letters, digits and `-` make one",
            "metadata: must be one of `empty`, `deny`, `danger_pass`, not `x`",
            "zzz: unknown setting; known here: `limits`, `path_prefix`, `labels`, `jwt`, `route_metadata_namespace`, `error_on_replace`, `rules_with_active_alerts`, `enable_label_matchers_for_rules_api`, `alerts_from_rules`, `metadata`, `targets`, `remote_read`, `ui`, `danger_passthrough_paths`, `alertmanager`, `tenant_header`, `warnings`, `hold_response_headers`, `promql`, `extra_parameters`, `explain`, `audit_query`",
        ], Agrees),
    ];
    for (text, expected, schema) in cases {
        check(&validator, &text, expected, schema);
    }
}

#[test]
fn headers_that_a_request_cannot_lose_are_no_identity() {
    for name in ["Content-Length", "content-type", "Transfer-Encoding", "Connection", "TE", "Upgrade", "Via", "Cookie"]
    {
        assert_eq!(problems(&rule(&format!(r#""header":"{name}""#))).len(), 1, "{name}");
    }
}

#[test]
fn parameters_that_carry_selectors_or_reach_further_never_pass() {
    for name in [
        "query",
        "Query",
        "match[]",
        "match",
        "filter",
        "filter[]",
        "match_target",
        "selector",
        "storeMatch[]",
        "storeMatch",
        "shard_info",
        "analyze",
        "extra_label",
        "extra_filters",
        "extra_filters[]",
        "replicaLabels[]",
        "group_limit",
        "group_next_token",
        "rule_name[]",
        "rule_group[]",
        "file[]",
        "include_metadata",
        "scrapePool",
    ] {
        let found = problems(&with_rule(&format!(r#""extra_parameters":["{name}"]"#)));
        assert!(
            matches!(found.as_slice(), [line] if line.starts_with(&format!("extra_parameters[0]: `{name}` ca"))),
            "{found:?}"
        );
    }
}

/// Every setting in the schema, `labels[].name` and `jwt.payload_key`, and its objects, by path.
fn settings(schema: &Value, node: &Value, path: &str, keys: &mut BTreeSet<String>, objects: &mut Vec<String>) {
    let node = match node.get("$ref").and_then(Value::as_str) {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')).expect("a definition"),
        None => node,
    };
    if let Some(items) = node.get("items") {
        settings(schema, items, &format!("{path}[]"), keys, objects);
    }
    if let Some(properties) = node.get("properties").and_then(Value::as_object) {
        assert_eq!(node.get("additionalProperties"), Some(&Value::Bool(false)), "{path:?} takes anything");
        objects.push(path.to_owned());
        for (key, property) in properties {
            let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            assert!(property.get("description").is_some(), "{below} has no description");
            settings(schema, property, &below, keys, objects);
            keys.insert(below);
        }
    }
}

#[test]
fn the_schema_and_the_parser_know_the_same_settings() {
    let (schema, _) = schema();
    let (mut keys, mut objects) = (BTreeSet::new(), Vec::new());
    settings(&schema, &schema, "", &mut keys, &mut objects);
    assert_eq!(objects.len(), 6, "{objects:?}");

    // An unknown setting makes the parser list what it knows there.
    let mut known = BTreeSet::new();
    for path in objects {
        let unknown = r#"{"zzzzzzzzzz":1}"#;
        let text = match path.as_str() {
            "" => unknown.to_owned(),
            "labels[]" => format!(r#"{{"labels":[{unknown}]}}"#),
            section => format!(r#"{{"{section}":{unknown}}}"#),
        };
        let list = problems(&text)
            .iter()
            .find_map(|line| line.split_once("known here: ").map(|(_, list)| list.to_owned()))
            .unwrap_or_else(|| panic!("{path:?} is no section of the parser"));
        let dot = if path.is_empty() { "" } else { "." };
        known.extend(list.split(", ").map(|key| format!("{path}{dot}{}", key.trim_matches('`'))));
    }
    assert_eq!(known, keys);
}

//! Arguments and files that nobody would write: an exit code, never a panic.

use super::{path, run};
use fastrand::Rng;

/// Pieces of arguments, right and wrong.
const PIECES: &[&str] = &[
    "up",
    "sum(a) / b",
    "{a=\"b\"}",
    "/federate",
    "OPTIONS /api/v1/rules",
    "{",
    "}",
    "sum(",
    ")",
    "a.b.c",
    "@",
    "@/",
    "-",
    "--",
    "=",
    "&",
    "%",
    "%zz",
    ";",
    "\n",
    "é",
    "\u{202e}",
    "\u{7f}",
    "?",
    "#",
    "GET ",
    "POST ",
    "/api/v1/query",
    "/api/v1/series?match[]=up",
    "http://",
    "HTTP/1.1",
    "X-Tenant: a",
    "a:b",
    ": ",
    "{\"tenants\": [\"a\"]}",
    "{\"tenant\": null}",
    "[]",
    "null",
    "1e999",
    "\"",
    "\\",
    "query=up",
    "time=1",
    "(((((((((",
];

const OPTIONS: &[&str] = &[
    "--claims",
    "--bearer",
    "--route-metadata",
    "--virtual-host-metadata",
    "--listener-metadata",
    "--header",
    "--data",
    "--form",
    "--data-urlencode",
    "--json",
    "--method",
    "--request",
    "--format",
    "--get",
    "--filter",
    "--config",
];

fn word(rng: &mut Rng) -> String {
    let count = *rng.choice(&[1, 1, 2, 3]).expect("a count");
    (0..count).map(|_| *rng.choice(PIECES).expect("a piece")).collect()
}

#[test]
fn random_arguments_never_make_it_panic() {
    let config = path("filter.yaml", "{labels: [{name: tenant, jwt_claim: tenants}], ui: pass, targets: filter}");
    let mut rng = Rng::with_seed(20);
    let mut codes = [0; 3];
    for _ in 0..400 {
        let mut given = vec!["explain".to_owned(), "--config".to_owned(), config.clone()];
        if rng.bool() {
            given.extend(["--claims".to_owned(), r#"{"tenants": "a"}"#.to_owned()]);
        }
        given.extend(if rng.bool() { vec![word(&mut rng)] } else { vec!["--request".to_owned(), word(&mut rng)] });
        for _ in 0..rng.usize(0..3) {
            given.extend([(*rng.choice(OPTIONS).expect("an option")).to_owned(), word(&mut rng)]);
        }
        let code = run(&given).code.expect("a code");
        codes[usize::try_from(code).expect("a small code")] += 1;
    }
    assert!(codes.iter().all(|count| *count > 0), "each of them comes: {codes:?}");
}

#[test]
fn broken_files_of_tests_never_make_it_panic() {
    let whole = include_str!("../../envoy/policy-tests.yaml");
    let mut rng = Rng::with_seed(21);
    for _ in 0..150 {
        let mut letters: Vec<char> = whole.chars().collect();
        for _ in 0..rng.usize(1..4) {
            let place = rng.usize(0..letters.len());
            let piece = word(&mut rng);
            letters.splice(place..(place + rng.usize(0..9)).min(letters.len()), piece.chars());
        }
        let text: String = letters.into_iter().collect();
        run(["test", &path("tests.yaml", &text)]);
    }
}

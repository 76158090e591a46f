//! The built module as Envoy will load it: what it asks of its host.

use crate::support::parts;
use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};
use wasmparser::{Parser, Payload, TypeRef};

/// The calls of WASI that Envoy has and the standard library makes.
const WASI: [&str; 6] = ["clock_time_get", "environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"];

/// One `module.name` for each import, sorted.
fn imports(wasm: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::ImportSection(section) = payload.expect("a WebAssembly module") {
            for import in section.into_imports() {
                let import = import.expect("an import");
                assert!(matches!(import.ty, TypeRef::Func(_)), "{} is no function", import.name);
                found.insert(format!("{}.{}", import.module, import.name));
            }
        }
    }
    found
}

#[test]
fn the_module_does_not_tell_where_it_was_built() {
    let module = fs::read(parts::module()).expect("the module can be read");
    let text = String::from_utf8_lossy(&module);
    assert!(text.contains("src/host/"), "it does tell where in the source it would panic");
    let home = env::var("HOME").expect("a home");
    let cargo = env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
    for folder in [env!("CARGO_MANIFEST_DIR"), &cargo, "/home/", "/root/", "/tmp/"] {
        assert!(!text.contains(folder), "the module knows {folder}");
    }
}

#[test]
fn the_module_asks_for_nothing_that_envoy_lacks() {
    let found = imports(&fs::read(parts::module()).expect("the module can be read"));
    for import in &found {
        let known = import.starts_with("env.proxy_")
            || import.strip_prefix("wasi_snapshot_preview1.").is_some_and(|name| WASI.contains(&name));
        assert!(known, "the module imports {import}, which is no call of proxy-wasm nor one of the few of WASI");
    }

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wasm-imports.txt");
    let text: String = found.iter().map(|import| format!("{import}\n")).collect();
    if env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        fs::write(&golden, &text).expect("the golden file can be written");
    }
    let expected = fs::read_to_string(&golden).expect("the golden file can be read");
    let expected: BTreeSet<String> = expected.lines().map(str::to_owned).collect();
    let added: Vec<_> = found.difference(&expected).collect();
    let gone: Vec<_> = expected.difference(&found).collect();
    assert!(
        added.is_empty() && gone.is_empty(),
        "imports added: {added:?}; gone: {gone:?}; where that is meant, UPDATE_GOLDEN=1 rewrites {}",
        golden.display()
    );
}

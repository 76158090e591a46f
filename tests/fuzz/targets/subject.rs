//! The subject of a certificate, as any bytes, for each attribute. What is taken of it, a writer writes, and it is taken again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prom_label_filter::identity::certificate::subject_values;

const ATTRIBUTES: [&str; 3] = ["CN", "OU", "O"];

fuzz_target!(|data: &[u8]| {
    let all = ATTRIBUTES.map(|attribute| subject_values(data, attribute));
    let mut written = String::new();
    for (attribute, values) in ATTRIBUTES.iter().zip(&all) {
        for value in values.iter().flatten() {
            assert!(!value.is_empty());
            written.push_str(if written.is_empty() { "" } else { "," });
            written.push_str(&format!("{attribute}="));
            // The plainest of writers: every byte by its digits.
            value.bytes().for_each(|byte| written.push_str(&format!("\\{byte:02x}")));
        }
    }
    let count: usize = all.iter().flatten().map(Vec::len).sum();
    let parts = data.split(|byte| b",+".contains(byte)).count();
    assert!(count <= parts, "more values than separators");
    for (attribute, values) in ATTRIBUTES.iter().zip(all) {
        if let Ok(values) = values {
            assert_eq!(subject_values(written.as_bytes(), attribute), Ok(values));
        }
    }
});

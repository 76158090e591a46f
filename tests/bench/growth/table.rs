//! The figures, printed.

use super::shapes::SIZES;
use super::{Measured, Row};

/// The whole range of sizes, less the smallest, which are all overhead.
const FROM: usize = 4 << 10;
/// What 16 times as much text may add to the time of a byte: caches fill, memory grows by doubling.
const TOLERANCE: f64 = 1.5;

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("no such large number"))
}

fn per_byte(row: &Row, measured: &Measured) -> f64 {
    measured.nanoseconds / float(row.case.size)
}

/// Requests that stand for themselves.
pub(crate) fn single(rows: &[Row]) {
    println!(
        "\n{:32} {:>9} {:>7} {:>12} {:>10} {:>12} {:>10} {:>9}",
        "request", "text B", "status", "native µs", "heap KiB", "V8 µs", "memory KiB", "V8/native"
    );
    for row in rows {
        let Row { case, native, v8 } = row;
        print!(
            "{:32} {:9} {:7} {:12.2} {:10.1}",
            case.name,
            case.size,
            native.status,
            native.nanoseconds / 1e3,
            float(native.bytes) / 1024.0
        );
        if let Some(v8) = v8 {
            print!(
                " {:12.2} {:10.0} {:9.2}",
                v8.nanoseconds / 1e3,
                float(v8.bytes) / 1024.0,
                v8.nanoseconds / native.nanoseconds
            );
        }
        println!();
    }
}

/// Requests in each size; `x` is the time in ratio to the size before.
pub(crate) fn growing(rows: &[Row]) {
    println!(
        "\n{:28} {:>4} {:>7} | {:>10} {:>8} {:>5} {:>10} {:>10} | {:>10} {:>8} {:>5} {:>10}",
        "shape",
        "KiB",
        "status",
        "native µs",
        "ns/byte",
        "x",
        "heap KiB",
        "heap/text",
        "V8 µs",
        "ns/byte",
        "x",
        "memory KiB"
    );
    for (place, row) in rows.iter().enumerate() {
        let Row { case, native, v8 } = row;
        let before = place.checked_sub(1).map(|before| &rows[before]).filter(|before| before.case.name == case.name);
        let ratio = |now: &Measured, before: Option<&Measured>| {
            before.map_or_else(|| "-".to_owned(), |before| format!("{:.2}", now.nanoseconds / before.nanoseconds))
        };
        print!(
            "{:28} {:4} {:7} | {:10.1} {:8.2} {:>5} {:10.1} {:10.2} |",
            case.name,
            SIZES[place % SIZES.len()] >> 10,
            native.status,
            native.nanoseconds / 1e3,
            per_byte(row, native),
            ratio(native, before.map(|before| &before.native)),
            float(native.bytes) / 1024.0,
            float(native.bytes) / float(case.size)
        );
        if let Some(v8) = v8 {
            print!(
                " {:10.1} {:8.2} {:>5} {:10.0}{}",
                v8.nanoseconds / 1e3,
                per_byte(row, v8),
                ratio(v8, before.and_then(|before| before.v8.as_ref())),
                float(v8.bytes) / 1024.0,
                if v8.grows { " and growing" } else { "" }
            );
        }
        println!();
    }
}

/// Whether a byte costs the same in a small text and in a large one.
pub(crate) fn verdict(rows: &[Row]) {
    println!("\nns/byte at 64 KiB in ratio to 4 KiB (1.00 is linear), and the most heap for a byte of text");
    println!("{:28} {:>7} {:>7} {:>10}", "shape", "native", "V8", "heap/text");
    let from = SIZES.iter().position(|size| *size == FROM).expect("a size of the table");
    let mut superlinear = Vec::new();
    for shape in rows.chunks(SIZES.len()) {
        let (small, large) = (&shape[from], &shape[SIZES.len() - 1]);
        let native = per_byte(large, &large.native) / per_byte(small, &small.native);
        let v8 = large.v8.as_ref().zip(small.v8.as_ref());
        let v8 = v8.map(|(of_large, of_small)| per_byte(large, of_large) / per_byte(small, of_small));
        let heap = shape.iter().map(|row| float(row.native.bytes) / float(row.case.size)).fold(0.0, f64::max);
        let text = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        println!("{:28} {:>7} {:>7} {heap:10.2}", large.case.name, text(Some(native)), text(v8));
        if native.max(v8.unwrap_or_default()) > TOLERANCE {
            superlinear.push(large.case.name.as_str());
        }
    }
    let grows = rows.iter().any(|row| row.v8.is_some_and(|v8| v8.grows));
    if superlinear.is_empty() {
        println!("linear: no shape costs more than {TOLERANCE} times as much for a byte at 64 KiB as at 4 KiB");
    } else {
        println!("NOT linear, or the machine was busy; run it again: {}", superlinear.join(", "));
    }
    let told = if grows { "GROWS with the number of requests" } else { "does not grow with the number of requests" };
    println!("memory: the module's {told}");
}

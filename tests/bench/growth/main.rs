//! What one request costs as it grows from 1 to 64 KiB: natively, in V8, and from a client's end of a real Envoy.
//!
//! Figures, never a test: a machine that is busy makes every time longer, so what counts are ratios, and the verdict at the
//! end is made of them. `make bench` runs it.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints figures, and a failure is its way to say that there are none"
)]

mod envoy;
mod heap;
mod native;
#[path = "../queries.rs"]
mod queries;
mod shapes;
#[expect(dead_code, reason = "the bench needs a part of the lab")]
#[path = "../../support/mod.rs"]
mod support;
mod table;
mod v8;

use shapes::Case;

/// What was found out about a case in one place.
#[derive(Clone, Copy, Debug)]
struct Measured {
    /// 200, or why it was refused.
    status: u32,
    /// Bytes of the form that goes upstream.
    written: usize,
    /// The fastest of all samples.
    nanoseconds: f64,
    /// Natively, the most that was allocated at a time beyond what was before; in V8, the module's whole memory.
    bytes: usize,
    /// Whether asking again takes more memory than asking once.
    grows: bool,
}

/// A case, measured everywhere.
#[derive(Debug)]
struct Row {
    case: Case,
    native: Measured,
    v8: Option<Measured>,
}

/// How often everything is measured, so that no case has all its samples while the machine is busy elsewhere.
const ROUNDS: usize = 5;

fn measure(cases: Vec<Case>) -> Vec<Row> {
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| (cases.iter().map(native::measure).collect::<Vec<Measured>>(), v8::measure(&cases)))
        .collect();
    let rows = cases.into_iter().enumerate().map(|(place, case)| {
        let native = fastest(rounds.iter().map(|(native, _)| native[place]).collect());
        let v8: Option<Vec<Measured>> = rounds.iter().map(|(_, v8)| v8.as_ref().map(|v8| v8[place])).collect();
        let v8 = v8.map(fastest);
        if let Some(v8) = v8 {
            let same = (v8.status, v8.written) == (native.status, native.written);
            assert!(same, "{}: {native:?} natively, {v8:?} in V8", case.name);
        }
        Row { case, native, v8 }
    });
    rows.collect()
}

fn fastest(rounds: Vec<Measured>) -> Measured {
    rounds.into_iter().min_by(|a, b| a.nanoseconds.total_cmp(&b.nanoseconds)).expect("a round")
}

fn main() {
    println!("\nWhole requests: a form is read, its PromQL narrowed, the form written again.");
    let single = measure(shapes::single());
    table::single(&single);
    let growing = measure(shapes::growing());
    table::growing(&growing);
    table::verdict(&growing);
    println!(
        "\nFrom a client's end: a real Envoy and an upstream that answers at once, on kept connections, in turns."
    );
    envoy::compare(&single);
}

//! The report, in Markdown: medians of all rounds, and ratios of each round to Envoy alone in the same round.

use super::chain::Kind;
use super::load::{Asked, Figures};
use super::{Behind, Measured};
use std::fmt::Write as _;

pub(crate) fn markdown(all: &[Measured], prometheus: &str, seconds: u64, rounds: u64) -> String {
    let mut text = format!(
        "Medians of {rounds} rounds of {seconds} s, all chains in turn in each, on {} processors that client, chain and upstream \
         share; 8 connections; one worker for each Envoy, prom-label-proxy 0.14 and Caddy as they come. *CPU* is what the chain's own \
         processes take for a request; ratios are to Envoy alone.\n",
        std::thread::available_parallelism().map_or(0, std::num::NonZero::get)
    );
    for (behind, title) in [
        (Behind::Static, "Before an upstream that answers at once".to_owned()),
        (Behind::Prometheus, format!("Before Prometheus {prometheus}")),
    ] {
        write!(
            text,
            "\n{title}:\n\n| query | chain | requests/s | ratio | p50 µs | p90 µs | p99 µs | CPU µs | more CPU µs |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        )
        .expect("a line");
        for asked in Asked::ALL {
            for kind in Kind::ALL {
                row(&mut text, all, behind, asked, kind);
            }
        }
    }
    verdict(&mut text, all);
    text
}

fn row(text: &mut String, all: &[Measured], behind: Behind, asked: Asked, kind: Kind) {
    let rounds = of(all, behind, asked, kind);
    let median_of = |figure: fn(&Figures) -> f64| median(rounds.iter().map(figure).collect());
    writeln!(
        text,
        "| {} | {} | {:.0} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} |",
        if kind == Kind::Alone { asked.name() } else { String::new() },
        kind.name(),
        median_of(|figures| figures.requests_a_second),
        throughput(all, behind, asked, kind),
        median_of(|figures| figures.median),
        median_of(|figures| figures.p90),
        median_of(|figures| figures.p99),
        median_of(|figures| figures.processor),
        more(all, behind, asked, kind),
    )
    .expect("a line");
}

/// How the aims are met: a tenth of what prom-label-proxy adds, and 85 % of Envoy's throughput before a real upstream.
fn verdict(text: &mut String, all: &[Measured]) {
    text.push_str("\nThe filter's own CPU, in parts of what the hop to prom-label-proxy adds (aim: 0.10), and the throughput before Prometheus, in parts of Envoy's alone (aim: 0.85):\n\n");
    text.push_str("| query | CPU, static | CPU, Prometheus | throughput |\n| --- | ---: | ---: | ---: |\n");
    for asked in Asked::ALL {
        let share = |behind| more(all, behind, asked, Kind::Filter) / more(all, behind, asked, Kind::EnvoyProxy);
        writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.2} |",
            asked.name(),
            share(Behind::Static),
            share(Behind::Prometheus),
            throughput(all, Behind::Prometheus, asked, Kind::Filter)
        )
        .expect("a line");
    }
}

fn of(all: &[Measured], behind: Behind, asked: Asked, kind: Kind) -> &[Figures] {
    let found = all.iter().find(|one| (one.behind, one.asked, one.kind) == (behind, asked, kind));
    &found.expect("all are measured").rounds
}

/// Of Envoy's alone in the same round.
fn throughput(all: &[Measured], behind: Behind, asked: Asked, kind: Kind) -> f64 {
    beside(all, behind, asked, kind, |one, alone| one.requests_a_second / alone.requests_a_second)
}

/// Microseconds of processor beyond those of Envoy alone in the same round.
fn more(all: &[Measured], behind: Behind, asked: Asked, kind: Kind) -> f64 {
    beside(all, behind, asked, kind, |one, alone| one.processor - alone.processor)
}

fn beside(
    all: &[Measured],
    behind: Behind,
    asked: Asked,
    kind: Kind,
    compare: impl Fn(&Figures, &Figures) -> f64,
) -> f64 {
    let (rounds, alone) = (of(all, behind, asked, kind), of(all, behind, asked, Kind::Alone));
    median(rounds.iter().zip(alone).map(|(one, alone)| compare(one, alone)).collect())
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

//! Prometheus's remote write protocol, version 1: how the lab gives a Prometheus its data.
// Prometheus: prompb/remote.proto, prompb/types.proto

use super::client::{self, Body, Request};
use super::protobuf::{field, varint};

/// One series with everything in it.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// Sorted by name.
    labels: Vec<(String, String)>,
    pub(crate) points: Points,
    pub(crate) exemplars: Vec<Exemplar>,
}

/// Times in Unix milliseconds, with what was measured then.
#[derive(Clone, Debug)]
pub(crate) enum Points {
    Floats(Vec<(u64, f64)>),
    Histograms(Vec<(u64, Histogram)>),
}

/// A native histogram with the counts of three buckets beside each other, from 1 on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Histogram {
    pub(crate) counts: [u64; 3],
}

#[derive(Clone, Debug)]
pub(crate) struct Exemplar {
    pub(crate) trace: String,
    pub(crate) value: f64,
    /// Unix milliseconds.
    pub(crate) at: u64,
}

impl Series {
    pub(crate) fn new(name: &str, labels: &[(&str, &str)], points: Points) -> Self {
        let mut labels: Vec<(String, String)> =
            labels.iter().chain([&("__name__", name)]).map(|(name, value)| ((*name).into(), (*value).into())).collect();
        labels.sort();
        Self { labels, points, exemplars: Vec::new() }
    }

    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.labels.iter().any(|label| (label.0.as_str(), label.1.as_str()) == (name, value))
    }

    /// The same without a label, which the upstream puts on it by itself.
    pub(crate) fn without(mut self, label: &str) -> Self {
        self.labels.retain(|(name, _)| name != label);
        self
    }

    // TimeSeries
    fn bytes(&self) -> Vec<u8> {
        let labels = self.labels.iter().flat_map(|(name, value)| field(1, &label(name, value)));
        let points = match &self.points {
            Points::Floats(points) => points
                .iter()
                .flat_map(|(at, value)| field(2, &[double(1, *value), integer(2, *at)].concat()))
                .collect::<Vec<u8>>(),
            Points::Histograms(points) => {
                points.iter().flat_map(|(at, histogram)| field(4, &histogram.bytes(*at))).collect()
            }
        };
        let exemplars = self.exemplars.iter().flat_map(|exemplar| field(3, &exemplar.bytes()));
        labels.chain(points).chain(exemplars).collect()
    }
}

impl Histogram {
    // Histogram: each bucket is written as the difference to the one before it
    fn bytes(self, at: u64) -> Vec<u8> {
        let [a, b, c] = self.counts.map(|count| i64::try_from(count).expect("a small count"));
        let span = [signed(1, 1), integer(2, 3)].concat();
        let deltas = [a, b - a, c - b].into_iter().flat_map(zigzag).collect::<Vec<u8>>();
        let count = self.counts.iter().sum();
        let sum = f64::from(u32::try_from(count).expect("a small count")) * 1.5;
        [
            integer(1, count),
            double(3, sum),
            signed(4, 0),
            double(5, 0.001),
            integer(6, 0),
            field(11, &span),
            field(12, &deltas),
            integer(15, at),
        ]
        .concat()
    }
}

impl Exemplar {
    fn bytes(&self) -> Vec<u8> {
        [field(1, &label("trace_id", &self.trace)), double(2, self.value), integer(3, self.at)].concat()
    }
}

fn label(name: &str, value: &str) -> Vec<u8> {
    [field(1, name.as_bytes()), field(2, value.as_bytes())].concat()
}

/// Field `number` with an unsigned integer.
fn integer(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

/// Field `number` with a signed integer (`sint32`, `sint64`).
fn signed(number: u64, value: i64) -> Vec<u8> {
    [varint(number << 3), zigzag(value)].concat()
}

/// A signed integer in which small ones are short, whatever their sign.
fn zigzag(value: i64) -> Vec<u8> {
    varint(((value << 1) ^ (value >> 63)).cast_unsigned())
}

/// Field `number` with a `double`.
fn double(number: u64, value: f64) -> Vec<u8> {
    [varint(number << 3 | 1), value.to_le_bytes().to_vec()].concat()
}

/// The request that writes `series`.
pub(crate) fn request(path: &str, series: &[Series]) -> Request {
    let message: Vec<u8> = series.iter().flat_map(|each| field(1, &each.bytes())).collect();
    let body = snap::raw::Encoder::new().compress_vec(&message).expect("a message of ordinary size");
    client::request("POST", path)
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-write-version", "0.1.0")
        .body(Body::Length(body))
}

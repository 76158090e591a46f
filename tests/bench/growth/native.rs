//! The core on this machine.

use super::shapes::Case;
use super::{Measured, heap};
use prom_label_filter::admission::{Admission, Finished};
use prom_label_filter::config::{
    self,
    policy::{CertificatePart, Policy},
};
use prom_label_filter::denial::Denial;
use prom_label_filter::identity::{Credentials, Place};
use prom_label_filter::observe::Record;
use prom_label_filter::request::{Body, Headers, RequestHead};
use prom_label_filter::rewrite::OutboundBody;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How often each case is timed in a round. The fastest counts: whatever else the machine does can only add.
pub(crate) const SAMPLES: usize = 5;
/// For how long each time.
pub(crate) const SAMPLE: Duration = Duration::from_millis(2);

struct Nothing;

impl Credentials for Nothing {
    fn dynamic_metadata(&self) -> Option<Vec<u8>> {
        None
    }

    fn place_metadata(&self, _: Place) -> Option<Vec<u8>> {
        None
    }

    fn peer_certificate(&self, _: CertificatePart) -> Option<Vec<u8>> {
        None
    }
}

pub(crate) fn measure(case: &Case) -> Measured {
    let policy = config::parse(case.configuration.to_string().as_bytes()).expect("a good configuration");
    let headers = [
        (":method", "POST"),
        (":path", case.path),
        (":authority", "bench"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let headers = Headers::new(headers.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect());
    let ask = || {
        let headers = black_box(headers.clone());
        let head = RequestHead::new(&headers, Body::Announced).expect("a head");
        black_box(request(&policy, &head, black_box(case.form.as_bytes())))
    };
    let (status, written) = ask().map_or_else(|denial| (denial.status(), 0), |form| (200, form.len()));
    let bytes = heap::peak(|| drop(ask()));

    let time = |count: u32| {
        let start = Instant::now();
        for _ in 0..count {
            drop(ask());
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
    };
    let mut count = 1;
    while time(count) * f64::from(count) < SAMPLE.as_secs_f64() * 1e9 {
        count *= 2;
    }
    let nanoseconds = (0..SAMPLES).map(|_| time(count)).fold(f64::INFINITY, f64::min);
    Measured { status, written, nanoseconds, bytes, grows: false }
}

/// What the host does with a POST and its form.
fn request(policy: &Policy, head: &RequestHead<'_>, form: &[u8]) -> Result<String, Denial> {
    let Admission::AwaitBody(out, pending) = policy.admit(head, &Nothing, &mut Record::default())? else {
        panic!("the form is not awaited")
    };
    drop(black_box(out));
    match pending.finish(policy, form, &mut Record::default())? {
        Finished::Forward(body, _) => match body.into_inner() {
            OutboundBody::Form(form) => Ok(form),
            other @ (OutboundBody::RemoteRead(_) | OutboundBody::Silence(_) | OutboundBody::Empty) => {
                panic!("a form has become {other:?}")
            }
        },
        Finished::Ask(_) => panic!("nothing is to be asked about a form"),
    }
}

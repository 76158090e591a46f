//! That work is linear in what was sent: the ceiling of its time.

use std::time::{Duration, Instant};

/// Does `work`, and asserts that its time is linear in `length`, generously. The clock of the wall is asked first; where it
/// says too long, others may have had the processor, so the processor's time of the best of four counts.
pub fn in_time<T>(length: usize, work: impl Fn() -> T) -> T {
    // A text of 64 KiB has 86 ms, where 2 ms are usual.
    let allowed = Duration::from_millis(20) + Duration::from_micros(1) * u32::try_from(length).unwrap_or(u32::MAX);
    let start = Instant::now();
    let result = work();
    if start.elapsed() > allowed {
        let timed = |_| {
            let start = processor_time();
            let _ = work();
            processor_time().saturating_sub(start)
        };
        let best = (0..4).map(timed).min().unwrap_or_default();
        assert!(best <= allowed, "{length} bytes took {best:?}");
    }
    result
}

/// How long this thread has been running; in steps of some milliseconds.
fn processor_time() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts the time of threads");
    let nanoseconds = statistics.split(' ').next().and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.expect("nanoseconds"))
}

/// One input in so many is also tried as a long one.
const LONG_ONES: u32 = 256;

/// Whether `bytes` are one of the inputs that are also tried repeated to 64 KiB. libFuzzer itself is slow to find long ones,
/// and this is where what is not linear shows.
pub fn is_repeated(bytes: &[u8]) -> bool {
    let chance = bytes.iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    !bytes.is_empty() && chance % LONG_ONES == 0
}

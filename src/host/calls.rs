//! The host's functions as they are: bytes in, bytes out, and a failure that can be dealt with.
//!
//! The SDK's own wrappers unwrap: one header that is not UTF-8, or one claim that is null, would end the VM for every
//! tenant. So these are called directly; a status that is not OK is a [`Failed`].
// proxy-wasm ABI 0.2.1; Envoy: source/extensions/common/wasm/context.cc
#![expect(unsafe_code, reason = "the ABI is raw pointers; each block hands over a slice's own pointer and length")]

use proxy_wasm::types::LogLevel;
use std::time::Duration;

/// A call that the host did not do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed(pub(super) &'static str);

/// Which headers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Map {
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    ResponseTrailers,
    CallResponseHeaders,
}

impl Map {
    fn code(self) -> u32 {
        match self {
            Self::RequestHeaders => 0,
            Self::RequestTrailers => 1,
            Self::ResponseHeaders => 2,
            Self::ResponseTrailers => 3,
            Self::CallResponseHeaders => 6,
        }
    }
}

/// Which bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Buffer {
    RequestBody,
    ResponseBody,
    CallResponseBody,
    PluginConfiguration,
}

impl Buffer {
    fn code(self) -> u32 {
        match self {
            Self::RequestBody => 0,
            Self::ResponseBody => 1,
            Self::CallResponseBody => 4,
            Self::PluginConfiguration => 7,
        }
    }
}

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_log_level(level: *mut u32) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, value: *mut *mut u8, value_size: *mut usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, pairs: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_header_map_pairs(map: u32, pairs: *const u8, size: usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_get_buffer_bytes(buffer: u32, start: usize, max_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_buffer_bytes(buffer: u32, start: usize, size: usize, data: *const u8, data_size: usize) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
}

/// Runs a call that allocates its answer in our memory. A null pointer is an empty answer.
fn answer(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, u32> {
    let mut data: *mut u8 = std::ptr::null_mut();
    let mut size: usize = 0;
    match call(&raw mut data, &raw mut size) {
        OK if data.is_null() => Ok(Vec::new()),
        // SAFETY: the host allocated the answer with `proxy_on_memory_allocate`, which is the SDK's
        // `Vec::with_capacity(size)`, and gave it away: nobody else owns or frees it.
        OK => Ok(unsafe { Vec::from_raw_parts(data, size, size) }),
        status => Err(status),
    }
}

fn done(call: &'static str, status: u32) -> Result<(), Failed> {
    if status == OK { Ok(()) } else { Err(Failed(call)) }
}

/// The level at which the host writes our log.
pub(super) fn log_level() -> Option<LogLevel> {
    let mut level = 0;
    // SAFETY: the host writes one word to the pointer, which points to a word.
    let status = unsafe { proxy_get_log_level(&raw mut level) };
    (status == OK).then_some(match level {
        0 => LogLevel::Trace,
        1 => LogLevel::Debug,
        2 => LogLevel::Info,
        3 => LogLevel::Warn,
        4 => LogLevel::Error,
        _ => LogLevel::Critical,
    })
}

/// Nanoseconds since 1970; 0 when the host does not know.
pub(super) fn now() -> u64 {
    let mut time = 0;
    // SAFETY: the host writes one 64-bit word to the pointer, which points to one.
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut time) };
    if status == OK { time } else { 0 }
}

/// The property at `path`, as serialised bytes; `None` when there is none.
///
/// Which status says "none" differs by property, so every failure is read as one: an identity that cannot be read is
/// an identity that is not there, and refuses.
pub(super) fn property(path: &[&str]) -> Option<Vec<u8>> {
    let path = path.join("\0");
    // SAFETY: pointer and length are those of `path`, which lives through the call.
    answer(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) }).ok()
}

/// Sets Envoy's filter state `wasm.NAME`, for access logs. What cannot be told is left out: nothing goes by it.
pub(super) fn tell(name: &str, value: &str) {
    // SAFETY: pointers and lengths are those of `name` and `value`, which live through the call.
    let _ = unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// How a metric adds up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Histogram,
}

/// A metric of Envoy's; every worker that defines it by the same name has the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric(Option<u32>);

impl Metric {
    /// One that the host cannot make counts nothing.
    pub(super) fn define(kind: Kind, name: &str) -> Self {
        let kind = match kind {
            Kind::Counter => 0,
            Kind::Histogram => 2,
        };
        let mut id = 0;
        // SAFETY: pointer and length are those of `name`; the host writes one word to the last pointer, which points to one.
        let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) };
        Self((status == OK).then_some(id))
    }

    /// Adds to a counter.
    pub(super) fn add(self, count: usize) {
        // The host refuses an increment of nothing.
        if let (Some(id), Ok(count @ 1..)) = (self.0, i64::try_from(count)) {
            // SAFETY: no memory is handed over.
            let _ = unsafe { proxy_increment_metric(id, count) };
        }
    }

    /// Adds a value to a histogram.
    pub(super) fn record(self, value: u64) {
        if let Some(id) = self.0 {
            // SAFETY: no memory is handed over.
            let _ = unsafe { proxy_record_metric(id, value) };
        }
    }
}

/// A header's name and value.
type Pair = (Vec<u8>, Vec<u8>);

/// All headers in order; names are in lower case.
pub(super) fn headers(map: Map) -> Result<Vec<Pair>, Failed> {
    let failed = Failed("proxy_get_header_map_pairs");
    // SAFETY: the host writes to the two pointers only, which `answer` provides.
    let bytes =
        answer(|data, size| unsafe { proxy_get_header_map_pairs(map.code(), data, size) }).map_err(|_| failed)?;
    parse_pairs(&bytes).ok_or(failed)
}

/// Reads the ABI's list of pairs: a count, two lengths for each pair, then each text with a NUL behind it.
fn parse_pairs(bytes: &[u8]) -> Option<Vec<Pair>> {
    fn word(bytes: &mut &[u8]) -> Option<usize> {
        let (word, rest) = bytes.split_first_chunk::<4>()?;
        *bytes = rest;
        usize::try_from(u32::from_le_bytes(*word)).ok()
    }
    fn text(bytes: &mut &[u8], length: usize) -> Option<Vec<u8>> {
        let (text, rest) = bytes.split_at_checked(length)?;
        *bytes = rest.strip_prefix(b"\0")?;
        Some(text.to_vec())
    }
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let mut lengths = bytes;
    let count = word(&mut lengths)?;
    let mut texts = lengths.get(count.checked_mul(8)?..)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (name, value) = (word(&mut lengths)?, word(&mut lengths)?);
        pairs.push((text(&mut texts, name)?, text(&mut texts, value)?));
    }
    Some(pairs)
}

/// Writes the ABI's list of pairs.
fn write_pairs(pairs: &[(&[u8], &[u8])]) -> Option<Vec<u8>> {
    let mut bytes = u32::try_from(pairs.len()).ok()?.to_le_bytes().to_vec();
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(&u32::try_from(text.len()).ok()?.to_le_bytes());
    }
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(text);
        bytes.push(0);
    }
    Some(bytes)
}

/// Sets the header `name` in place of every value that it has.
pub(super) fn set_header(map: Map, name: &str, value: &[u8]) -> Result<(), Failed> {
    // SAFETY: pointers and lengths are those of `name` and `value`, which live through the call.
    let status =
        unsafe { proxy_replace_header_map_value(map.code(), name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    done("proxy_replace_header_map_value", status)
}

/// Removes every value of the header `name`.
pub(super) fn remove_header(map: Map, name: &str) -> Result<(), Failed> {
    // SAFETY: pointer and length are those of `name`, which lives through the call.
    let status = unsafe { proxy_remove_header_map_value(map.code(), name.as_ptr(), name.len()) };
    done("proxy_remove_header_map_value", status)
}

/// Removes all headers of `map`.
pub(super) fn clear_headers(map: Map) -> Result<(), Failed> {
    let empty = 0_u32.to_le_bytes();
    // SAFETY: pointer and length are those of `empty`, which lives through the call.
    let status = unsafe { proxy_set_header_map_pairs(map.code(), empty.as_ptr(), empty.len()) };
    done("proxy_set_header_map_pairs", status)
}

/// Up to `max` bytes of `buffer`; none when it is empty or not there.
pub(super) fn buffer(buffer: Buffer, max: usize) -> Result<Vec<u8>, Failed> {
    // SAFETY: the host writes to the two pointers only, which `answer` provides.
    match answer(|data, size| unsafe { proxy_get_buffer_bytes(buffer.code(), 0, max, data, size) }) {
        Ok(bytes) => Ok(bytes),
        Err(NOT_FOUND) => Ok(Vec::new()),
        Err(_) => Err(Failed("proxy_get_buffer_bytes")),
    }
}

/// Puts `data` in the place of everything that `buffer` holds.
pub(super) fn replace_buffer(buffer: Buffer, data: &[u8]) -> Result<(), Failed> {
    // The host cuts the length to what is there. The largest `usize` would overflow its arithmetic.
    let everything = usize::MAX >> 1;
    // SAFETY: pointer and length are those of `data`, which lives through the call.
    let status = unsafe { proxy_set_buffer_bytes(buffer.code(), 0, everything, data.as_ptr(), data.len()) };
    done("proxy_set_buffer_bytes", status)
}

/// Sends a GET to one of Envoy's clusters; the context of this stream is told what comes of it.
pub(super) fn ask(cluster: &str, path: &str, timeout: Duration) -> Result<(), Failed> {
    let headers = [
        (":method", "GET"),
        (":path", path),
        (":authority", cluster),
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
    ];
    // The SDK's own call: it remembers which context asked, and fails without a panic.
    proxy_wasm::hostcalls::dispatch_http_call(cluster, headers.to_vec(), None, Vec::new(), timeout)
        .map(|_| ())
        .map_err(|_| Failed("proxy_http_call"))
}

/// Lets a request go on that was paused.
pub(super) fn resume_request() -> Result<(), Failed> {
    const REQUEST: u32 = 0;
    // SAFETY: no memory is handed over.
    done("proxy_continue_stream", unsafe { proxy_continue_stream(REQUEST) })
}

/// Answers the client in place of the upstream. `details` is what `%RESPONSE_CODE_DETAILS%` shows.
pub(super) fn answer_client(status: u32, details: &str, headers: &[(&[u8], &[u8])], body: &[u8]) -> Result<(), Failed> {
    const NO_GRPC_STATUS: i32 = -1;
    let headers = write_pairs(headers).ok_or(Failed("headers of an answer"))?;
    // SAFETY: pointers and lengths are those of the three slices, which live through the call.
    let status = unsafe {
        proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    };
    done("proxy_send_local_response", status)
}

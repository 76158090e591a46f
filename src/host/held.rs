//! What the whole VM holds for filtering, so that answers side by side cannot exhaust its memory.
//!
//! A VM has 1 GiB and is shared by all streams of a worker: without a common count, forty allowed answers together would
//! end it for everybody.

use std::cell::Cell;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Bytes that one stream holds; given back when it is dropped, however the stream ends.
#[derive(Debug, Default)]
pub(super) struct Held(usize);

impl Held {
    /// Counts up to `bytes` in all for this stream; `None`, and nothing counted, when the VM would hold more than
    /// `limit`.
    pub(super) fn grow_to(&mut self, bytes: usize, limit: usize) -> Option<()> {
        let more = bytes.saturating_sub(self.0);
        let total = HELD.get().checked_add(more).filter(|total| *total <= limit)?;
        HELD.set(total);
        self.0 = self.0.saturating_add(more);
        Some(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.set(HELD.get().saturating_sub(self.0));
    }
}

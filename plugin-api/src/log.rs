//! Lines in the run's log, and work on the host's threads. A plugin prints nothing and starts no threads of its own.

use crate::error::Result;
use crate::raw::values;

/// A line for those who look for a fault.
pub fn debug(text: impl AsRef<str>) {
    values::log(0, text.as_ref());
}

/// A line for everybody.
pub fn info(text: impl AsRef<str>) {
    values::log(1, text.as_ref());
}

/// A line that wants attention.
pub fn warning(text: impl AsRef<str>) {
    values::log(2, text.as_ref());
}

/// Calls `work(0)` … `work(count - 1)` on the host's threads and waits for all; no tensor operations inside.
///
/// # Errors
/// When one of the calls panics.
pub fn parallel(count: usize, work: impl Fn(usize) + Sync) -> Result<()> {
    values::parallel(count, &work)
}

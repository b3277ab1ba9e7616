//! What a plugin exports: the answers to `open` and `query`.

use lacuna_abi::{Bytes, Interface, QueryFn, code};

use super::guard::{guard_or, keep_panics};
use super::host::connect;

/// Something a plugin provides: an interface of the boundary with its table.
pub struct Entry {
    /// The name of the interface.
    pub interface: &'static str,
    /// The schema of its settings, a JSON array, or empty where it has none of its own.
    pub settings: &'static str,
    /// The table.
    pub table: fn() -> Interface,
}

/// The list that `export_plugin!` writes.
pub trait Exported {
    /// What the plugin provides.
    const ENTRIES: &'static [Entry];
}

/// `Root::open`: keeps the host's tables.
///
/// # Safety
/// `host` must be the query function of a host with a compatible `AbiHeader`.
pub unsafe extern "C" fn open(host: QueryFn) -> u32 {
    guard_or(code::PANIC, || {
        keep_panics();
        // SAFETY: by the caller's promise.
        if unsafe { connect(host) } { code::OK } else { code::HOST_INTERFACE }
    })
}

/// `Root::query`: a table by its name.
///
/// # Safety
/// `name` must be alive for the call.
pub unsafe extern "C" fn query<P: Exported>(name: Bytes) -> Interface {
    guard_or(Interface::NONE, || {
        // SAFETY: by the caller's promise.
        let name = unsafe { name.as_slice() };
        let found = P::ENTRIES.iter().find(|entry| entry.interface.as_bytes() == name);
        found.map_or(Interface::NONE, |entry| (entry.table)())
    })
}

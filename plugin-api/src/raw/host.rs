//! The host's tables, asked for once when the plugin is opened.

use std::sync::OnceLock;

use lacuna_abi as abi;

/// The interfaces every plugin uses.
pub(crate) struct Host {
    pub(crate) errors: &'static abi::Errors,
    pub(crate) tensors: &'static abi::Tensors,
    pub(crate) weights: &'static abi::Weights,
    pub(crate) models: &'static abi::Models,
    pub(crate) batches: &'static abi::Batches,
    pub(crate) logs: &'static abi::Logs,
    pub(crate) states: &'static abi::States,
}

static HOST: OnceLock<Host> = OnceLock::new();

/// The host's tables.
///
/// # Panics
/// Outside a plugin that a host has opened: there is nothing to compute with.
pub(crate) fn host() -> &'static Host {
    HOST.get().expect("no Lacuna host has opened this plugin: tensors, models and batches exist only inside one")
}

/// The tables where a host is there.
pub(crate) fn try_host() -> Option<&'static Host> {
    HOST.get()
}

/// Asks for every table and keeps them; false when one is missing or has another layout.
///
/// # Safety
/// `query` must be the query function of a host with a compatible `AbiHeader`.
pub(crate) unsafe fn connect(query: abi::QueryFn) -> bool {
    if HOST.get().is_some() {
        return true;
    }
    // SAFETY: by the caller's promise.
    let tables = unsafe {
        (|| {
            Some(Host {
                errors: table(query, abi::name::ERRORS)?,
                tensors: table(query, abi::name::TENSORS)?,
                weights: table(query, abi::name::WEIGHTS)?,
                models: table(query, abi::name::MODELS)?,
                batches: table(query, abi::name::BATCHES)?,
                logs: table(query, abi::name::LOGS)?,
                states: table(query, abi::name::STATES)?,
            })
        })()
    };
    match tables {
        // A second host that raced this one asked the same program.
        Some(tables) => HOST.set(tables).is_ok() || HOST.get().is_some(),
        None => false,
    }
}

/// One table.
///
/// # Safety
/// As [`connect`].
unsafe fn table<T: abi_layout::Layout>(query: abi::QueryFn, name: &str) -> Option<&'static T> {
    // SAFETY: the name lives through the call, the rest by the caller's promise.
    unsafe { T::fit(query(abi::Bytes::text(name))) }
}

/// `lacuna_abi::fit` for the tables above, without naming abi_stable here.
mod abi_layout {
    use lacuna_abi as abi;

    pub(super) trait Layout: Sized + 'static {
        /// # Safety
        /// As `lacuna_abi::fit`.
        unsafe fn fit(interface: abi::Interface) -> Option<&'static Self>;
    }

    macro_rules! layouts {
        ($($table:ident)*) => {$(
            impl Layout for abi::$table {
                unsafe fn fit(interface: abi::Interface) -> Option<&'static Self> {
                    // SAFETY: by the caller's promise.
                    unsafe { abi::fit::<Self>(interface) }.ok()
                }
            }
        )*};
    }
    layouts! { Errors Tensors Weights Models Batches Logs States }
}

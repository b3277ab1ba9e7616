//! What crosses the boundary between Lacuna's host and its plugins.
//!
//! A plugin exports two symbols: [`MANIFEST_SYMBOL`], a JSON byte array that can be read without opening the library, and
//! [`ROOT_SYMBOL`], a frozen [`Root`] that answers one question, `query(name)`, with an [`Interface`]: a table of
//! functions and its layout. The host answers the same question in the other direction. Whoever asks compares the layout
//! with its own ([`fit`]) before it uses the table, so host and plugin can be built by different compilers and from
//! different versions of everything but this crate.
//!
//! # Rules
//!
//! - This crate's version stays `1.0.0`: the layout check compares the version of the crate that defines a type, so a bump
//!   would refuse every plugin built before. The version of the boundary is [`BOUNDARY`].
//! - Only `u8`, `u32`, `u64`, `i64`, `f64`, raw pointers, lengths, function pointers and `#[repr(C)]` structs of these
//!   cross. No Rust enum, bool, char, reference, trait object or generic.
//! - Arguments and slices are borrowed for the call. Results belong to the receiver, who frees them with
//!   [`Tensors::release`]. Tables are `'static`.
//! - Interfaces named `…/0` are drafts: they load only with the same [`BOUNDARY`]. Once released, an interface is never
//!   edited; its next revision gets a new name.
//! - Everything the host owns (tensor, weight, model, batch, error) crosses as a [`Handle`]; each counts its holders.
//!
//! # Why operations are numbers
//!
//! [`Tensors::op`] is the only way to compute. A new operation is a new row in [`op`], no new interface, and an older host
//! refuses it by name. Layouts of token rows, masks and random numbers are made by operations as well, so they need no
//! interfaces of their own.

mod handle;
mod interfaces;
pub mod name;
pub mod op;

pub use handle::{Attribute, Bytes, Handle, Place, attribute, code, dtype, init, kind};
pub use interfaces::{
    Axes, Batches, Collate, CollateCall, Column, Couple, CustomCall, Decode, Decoder, DecoderCall, Errors, Evaluate,
    EvaluateCall, Evaluator, Experience, Figures, Gradients, HeadCall, HuggingFace, ItemColumn, Items, Logs, LossCall,
    Model, ModelCall, Models, NamedHandle, Objective, Phases, States, Tensors, WeightRequest, Weights, Work,
};

pub use abi_stable;

use abi_stable::StableAbi;
use abi_stable::library::AbiHeader;
use abi_stable::type_layout::TypeLayout;

/// The version of this boundary. A draft boundary has to be equal on both sides.
pub const BOUNDARY: u32 = 1;

/// The exported JSON byte array that describes the plugin.
pub const MANIFEST_SYMBOL: &str = "LACUNA_MANIFEST";
/// The exported [`Root`].
pub const ROOT_SYMBOL: &str = "LACUNA_ROOT";

/// The one exported structure of a plugin. Frozen: it never gains, loses or changes a field.
#[repr(C)]
pub struct Root {
    /// abi_stable's own mark and version: without it the layouts below can't be read.
    pub header: AbiHeader,
    /// The plugin's [`BOUNDARY`].
    pub boundary: u32,
    /// Hands the host's own `query` to the plugin, once, before anything else. 0 is success; any other value is a code of
    /// [`code`] (the host's errors can't be made yet).
    pub open: unsafe extern "C" fn(host: QueryFn) -> u32,
    /// Gives an interface by name, or one with null pointers.
    pub query: QueryFn,
}

/// Asks for an interface by name (UTF-8, for instance `lacuna.objective/0`).
pub type QueryFn = unsafe extern "C" fn(name: Bytes) -> Interface;

/// A table of functions and its layout.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Interface {
    /// The table, `'static`; null where the interface is not provided.
    pub table: *const u8,
    /// The layout of the table's type.
    pub layout: *const TypeLayout,
}

impl Interface {
    /// The answer to a name that is not provided.
    pub const NONE: Self = Self { table: std::ptr::null(), layout: std::ptr::null() };

    /// An interface of a leaked or static table.
    #[must_use]
    pub fn of<T: StableAbi>(table: &'static T) -> Self {
        Self { table: std::ptr::from_ref(table).cast(), layout: T::LAYOUT }
    }
}

/// Why an interface can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// The other side does not provide it.
    Missing,
    /// Its layout differs; the text names the first difference in one line.
    Layout(String),
}

/// The table of an interface, after its layout was compared with this side's.
///
/// # Safety
/// `interface` must come from a [`QueryFn`] of a root whose [`AbiHeader`] is compatible with this side's.
///
/// # Errors
/// When the interface is missing or its layout is another one.
pub unsafe fn fit<T: StableAbi>(interface: Interface) -> Result<&'static T, Misfit> {
    if interface.table.is_null() || interface.layout.is_null() {
        return Err(Misfit::Missing);
    }
    // SAFETY: non-null layouts point to static data of a compatible abi_stable, by the caller's promise.
    let theirs = unsafe { &*interface.layout };
    if std::ptr::eq(T::LAYOUT, theirs) {
        // SAFETY: the very same type of the very same library.
        return Ok(unsafe { &*interface.table.cast::<T>() });
    }
    match abi_stable::abi_stability::abi_checking::check_layout_compatibility(T::LAYOUT, theirs) {
        // SAFETY: the layouts agree, and tables are `'static`.
        Ok(()) => Ok(unsafe { &*interface.table.cast::<T>() }),
        Err(errors) => {
            let text = errors.to_string();
            let line = text.lines().find(|line| line.contains("rror")).unwrap_or("its layout differs");
            Err(Misfit::Layout(line.trim().chars().take(160).collect()))
        }
    }
}

/// This side's header, for [`Root::header`].
pub const HEADER: AbiHeader = AbiHeader::VALUE;

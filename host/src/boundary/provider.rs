//! A loaded plugin as the boundary sees it: a name, a version, and a question that gives interfaces.

use std::sync::Arc;

use lacuna_abi::{Bytes, Interface, Misfit, QueryFn};

use super::live::Live;
use crate::error::{Error, Result};

/// A loaded plugin. Its library is never closed, so its tables are `'static`.
pub trait Provider: Send + Sync {
    /// Its name, from the manifest.
    fn name(&self) -> &str;
    /// Its version, from the manifest.
    fn version(&self) -> &str;
    /// Its `query`, taken from a root whose header was found compatible.
    fn query(&self) -> QueryFn;
    /// Its tally of host objects.
    fn live(&self) -> &Arc<Live>;
}

/// A table of a plugin's functions.
pub trait Table: Sized + 'static {
    /// Its name: `lacuna.objective/0`.
    const NAME: &'static str;
    /// The table behind `interface`, if its layout is this host's.
    ///
    /// # Errors
    /// As [`lacuna_abi::fit`].
    ///
    /// # Safety
    /// As [`lacuna_abi::fit`].
    unsafe fn fit(interface: Interface) -> Result<&'static Self, Misfit>;
}

macro_rules! tables {
    ($($table:ident $name:ident;)*) => {$(
        impl Table for lacuna_abi::$table {
            const NAME: &'static str = lacuna_abi::name::$name;
            unsafe fn fit(interface: Interface) -> Result<&'static Self, Misfit> {
                // SAFETY: by the caller's promise.
                unsafe { lacuna_abi::fit(interface) }
            }
        }
    )*};
}
tables! {
    Objective OBJECTIVE;
    Collate COLLATE;
    Evaluate EVALUATE;
    Phases PHASES;
    Couple COUPLE;
    Experience EXPERIENCE;
    Gradients GRADIENTS;
    Figures FIGURES;
    Evaluator EVALUATOR;
    Decoder DECODER;
    Model MODEL;
    Decode DECODE;
    Axes AXES;
    HuggingFace HUGGING_FACE;
}

/// A table of `provider`; `None` where it does not provide it.
///
/// # Errors
/// When the layout differs.
pub fn interface<T: Table>(provider: &dyn Provider) -> Result<Option<&'static T>> {
    // SAFETY: `query` is of a compatible root; the name is lent for the call.
    let interface = unsafe { (provider.query())(Bytes::text(T::NAME)) };
    // SAFETY: as above.
    match unsafe { T::fit(interface) } {
        Ok(table) => Ok(Some(table)),
        Err(Misfit::Missing) => Ok(None),
        Err(Misfit::Layout(difference)) => {
            let text = format!(
                "`{}` of plugin `{}` {} is laid out otherwise than in this host: {difference}",
                T::NAME,
                provider.name(),
                provider.version()
            );
            Err(Error::new("plugin/interface", text).with_help("build the plugin again with this host's `plugin_api`"))
        }
    }
}

/// A table that the plugin has to provide.
///
/// # Errors
/// When it is missing or its layout differs.
pub fn required<T: Table>(provider: &dyn Provider) -> Result<&'static T> {
    interface(provider)?.ok_or_else(|| {
        let text = format!("plugin `{}` {} does not provide `{}`", provider.name(), provider.version(), T::NAME);
        Error::new("plugin/interface", text).with_help("`lacuna plugins info` lists what it provides")
    })
}

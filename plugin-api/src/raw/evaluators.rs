//! The tables of figures and evaluators.

use std::marker::PhantomData;

use lacuna_abi::{self as abi, Bytes, CollateCall, Handle, Interface, LossCall, name};

use super::borrow::{slice, text};
use super::calls::{Collation, figure};
use super::export::Entry;
use super::guard::{guard, guard_or};
use super::objectives::{destroy, instance, lent, loss_call, settings};
use crate::collate::Samples;
use crate::error::{Error, Result};
use crate::evaluator as api;
use crate::items::{Figures as FiguresApi, Items, hand_over_map};
use crate::scope::Scope;
use crate::settings::Settings;

fn odd(what: &str) -> Error {
    Error::new("host/items", format!("the host's items {what}"))
}

/// The host's items, copied; `None` where it gave none.
///
/// # Safety
/// `items` is null or alive with all it points to.
unsafe fn items(items: *const abi::Items) -> Result<Option<Items>> {
    // SAFETY: by the caller's promise, here and below.
    let Some(given) = (unsafe { items.as_ref() }) else { return Ok(None) };
    // SAFETY: as above.
    let ids = unsafe { slice(given.ids, given.samples) };
    if ids.len() != given.samples {
        return Err(odd("have no identities"));
    }
    let mut all = Items::new(ids.to_vec());
    // SAFETY: as above.
    for column in unsafe { slice(given.columns, given.columns_len) } {
        // SAFETY: as above.
        let (name, values) =
            unsafe { (text(column.name, "the name of an item")?, slice(column.values, column.values_len)) };
        if column.starts.is_null() {
            all = all.with_numbers(name, values.to_vec())?;
            continue;
        }
        // SAFETY: as above; there is one start more than samples.
        let starts = unsafe { slice(column.starts, given.samples + 1) };
        let list = |ends: &[u64]| {
            let range = usize::try_from(ends[0]).ok()?..usize::try_from(ends[1]).ok()?;
            values.get(range).map(<[f64]>::to_vec)
        };
        let lists: Option<Vec<Vec<f64>>> = starts.windows(2).map(list).collect();
        all = all.with_lists(name, lists.ok_or_else(|| odd("end before they begin"))?)?;
    }
    Ok(Some(all))
}

/// Gives figures to the host.
///
/// # Safety
/// `collector` is null or alive.
unsafe fn hand_over(figures: Vec<(String, f64)>, collector: Handle) -> Result<()> {
    // SAFETY: by the caller's promise.
    let collector = unsafe { lent(collector, "collector for figures")? };
    figures.iter().try_for_each(|(name, value)| figure(&collector, name, *value))
}

/// Provides `lacuna.objective.figures`.
pub struct Figures<T>(PhantomData<T>);

impl<T: FiguresApi> Figures<T> {
    const TABLE: &'static abi::Figures = &abi::Figures { figures: figures::<T> };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry = Entry { interface: name::FIGURES, settings: "", table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn figures<T: FiguresApi>(this: *const u8, given: *const abi::Items, collector: Handle) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends items and collector.
        unsafe {
            let items = items(given)?.ok_or_else(|| odd("are missing"))?;
            let this = instance::<T>(this)?;
            let maps = this.maps(&items)?;
            let made = lent(collector, "collector for figures")?;
            maps.iter().try_for_each(|(name, map_hw)| hand_over_map(&made, name, map_hw))?;
            hand_over(this.figures(&items)?, collector)
        }
    })
}

/// Provides `lacuna.evaluator`.
pub struct Evaluator<T>(PhantomData<T>);

impl<T: api::Evaluator> Evaluator<T> {
    const TABLE: &'static abi::Evaluator = &abi::Evaluator {
        create: create::<T>,
        destroy: destroy::<T>,
        collate: collate::<T>,
        measure: measure::<T>,
        uses_training: uses_training::<T>,
        figures: evaluator_figures::<T>,
    };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry =
        Entry { interface: name::EVALUATOR, settings: T::Settings::SCHEMA, table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn create<T: api::Evaluator>(scope: Handle, given: Bytes, out: *mut *mut u8) -> Handle {
    guard(|| {
        // SAFETY: the host lends scope and settings for the call and gives room for the instance.
        unsafe {
            let scope = Scope::from_object(lent(scope, "scope")?);
            let made = T::new(settings(given)?, &scope)?;
            out.write(Box::into_raw(Box::new(made)).cast());
        }
        Ok(())
    })
}

unsafe extern "C" fn collate<T: api::Evaluator>(this: *const u8, call: *const CollateCall) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends the call.
        let (this, call) = unsafe { (instance::<T>(this)?, Collation::new(call)) };
        this.collate(&Samples(call.ok_or_else(|| Error::new("host/argument", "the host gave no collation"))?))
    })
}

unsafe extern "C" fn measure<T: api::Evaluator>(this: *const u8, call: *const LossCall) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends the call.
        let (this, (batch, collector)) = unsafe { (instance::<T>(this)?, loss_call(call)?) };
        this.measure(&batch)?.hand_over_any(&collector)
    })
}

unsafe extern "C" fn uses_training<T: api::Evaluator>(this: *const u8) -> u32 {
    // SAFETY: the host gives the instance.
    guard_or(0, || unsafe { instance::<T>(this) }.map_or(0, |this| u32::from(this.uses_training())))
}

unsafe extern "C" fn evaluator_figures<T: api::Evaluator>(
    this: *const u8,
    training: *const abi::Items,
    held_out: *const abi::Items,
    collector: Handle,
) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends items and collector.
        unsafe {
            let (training, held_out) = (items(training)?, items(held_out)?.ok_or_else(|| odd("are missing"))?);
            hand_over(instance::<T>(this)?.figures(training.as_ref(), &held_out)?, collector)
        }
    })
}

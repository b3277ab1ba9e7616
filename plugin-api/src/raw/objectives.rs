//! The tables of an objective: each function turns pointers into references, runs the plugin, and returns an error
//! handle.
//!
//! An instance pointer is a leaked `Box<T>` of the plugin's type; the host gives back what `create` wrote.

use std::marker::PhantomData;

use lacuna_abi::{self as abi, Bytes, CollateCall, EvaluateCall, Handle, Interface, LossCall, name};

use super::borrow::{new_text, text};
use super::calls::Collation;
use super::export::Entry;
use super::guard::{guard, guard_or};
use super::object::{HostObject, Object};
use crate::batch::Batch;
use crate::collate::Samples;
use crate::error::{Error, Result};
use crate::objective as api;
use crate::scope::Scope;
use crate::settings::{Settings, parse};
use crate::tensor::Tensor;

/// The instance behind a pointer.
///
/// # Safety
/// `instance` was written by the `create` or `build` of this very type and is not destroyed for `'a`.
pub(super) unsafe fn instance<'a, T>(instance: *const u8) -> Result<&'a T> {
    // SAFETY: by the caller's promise.
    unsafe { instance.cast::<T>().as_ref() }.ok_or_else(|| Error::new("host/instance", "the host gave no instance"))
}

/// Settings from the host's JSON.
///
/// # Safety
/// `bytes` is alive for the call.
pub(super) unsafe fn settings<S: Settings>(bytes: Bytes) -> Result<S> {
    // SAFETY: by the caller's promise.
    S::from_json(&parse(unsafe { text(bytes, "the settings") }?)?)
}

/// An object lent for the call.
///
/// # Safety
/// `handle` is null or alive.
pub(super) unsafe fn lent(handle: Handle, what: &str) -> Result<Object> {
    if handle.is_null() {
        return Err(Error::new("host/argument", format!("the host gave no {what}")));
    }
    // SAFETY: by the caller's promise.
    Ok(unsafe { Object::borrowed(handle) })
}

/// Writes a handle the caller owns from now on.
///
/// # Safety
/// `out` points to a handle.
pub(super) unsafe fn write(out: *mut Handle, object: Object) {
    // SAFETY: by the caller's promise.
    unsafe { out.write(object.into_handle()) };
}

/// Provides `lacuna.objective`.
pub struct Objective<T>(PhantomData<T>);

impl<T: api::Objective> Objective<T> {
    const TABLE: &'static abi::Objective = &abi::Objective {
        create: create::<T>,
        destroy: destroy::<T>,
        loss: loss::<T>,
        couples: couples::<T>,
        save: save::<T>,
        restore: restore::<T>,
    };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry =
        Entry { interface: name::OBJECTIVE, settings: T::Settings::SCHEMA, table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn create<T: api::Objective>(scope: Handle, given: Bytes, out: *mut *mut u8) -> Handle {
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

pub(super) unsafe extern "C" fn destroy<T>(instance: *mut u8) {
    if instance.is_null() {
        return;
    }
    // SAFETY: the box that `create` leaked, given back once.
    guard_or((), || drop(unsafe { Box::from_raw(instance.cast::<T>()) }));
}

/// Batch and collector of a loss call.
///
/// # Safety
/// `call` is null or alive.
pub(super) unsafe fn loss_call(call: *const LossCall) -> Result<(Batch, Object)> {
    // SAFETY: by the caller's promise; the host lends what is in it.
    unsafe {
        let call = call.as_ref().ok_or_else(|| Error::new("host/argument", "the host gave no loss call"))?;
        Ok((Batch::from_object(lent(call.batch, "batch")?), lent(call.loss, "collector for the loss")?))
    }
}

unsafe extern "C" fn loss<T: api::Objective>(this: *const u8, call: *const LossCall) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends the call.
        let (this, (batch, collector)) = unsafe { (instance::<T>(this)?, loss_call(call)?) };
        this.loss(&batch)?.hand_over(&collector)
    })
}

unsafe extern "C" fn couples<T: api::Objective>(this: *const u8) -> u32 {
    // SAFETY: the host gives the instance.
    guard_or(0, || unsafe { instance::<T>(this) }.map_or(0, |this| u32::from(this.couples())))
}

unsafe extern "C" fn save<T: api::Objective>(this: *const u8, state: *mut Handle) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and room for the state.
        unsafe {
            match instance::<T>(this)?.save()? {
                Some(text) => write(state, new_text(&text)),
                None => state.write(Handle::NULL),
            }
        }
        Ok(())
    })
}

unsafe extern "C" fn restore<T: api::Objective>(this: *const u8, state: Bytes) -> Handle {
    // SAFETY: the host gives the instance and lends the state.
    guard(|| unsafe { instance::<T>(this)?.restore(text(state, "the saved state")?) })
}

/// Provides `lacuna.objective.collate`.
pub struct Collate<T>(PhantomData<T>);

impl<T: api::Collate> Collate<T> {
    const TABLE: &'static abi::Collate = &abi::Collate { collate: collate::<T> };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry = Entry { interface: name::COLLATE, settings: "", table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn collate<T: api::Collate>(this: *const u8, call: *const CollateCall) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends the call.
        let (this, call) = unsafe { (instance::<T>(this)?, Collation::new(call)) };
        let call = call.ok_or_else(|| Error::new("host/argument", "the host gave no collation"))?;
        this.collate(&Samples(call))
    })
}

/// Provides `lacuna.objective.evaluate`.
pub struct Evaluate<T>(PhantomData<T>);

impl<T: api::Evaluate> Evaluate<T> {
    const TABLE: &'static abi::Evaluate = &abi::Evaluate { predict: predict::<T> };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry = Entry { interface: name::EVALUATE, settings: "", table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn predict<T: api::Evaluate>(this: *const u8, call: *const EvaluateCall) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance, lends the call and gives room for the logits.
        unsafe {
            let call = call.as_ref().ok_or_else(|| Error::new("host/argument", "the host gave no evaluation"))?;
            let batch = Batch::from_object(lent(call.batch, "batch")?);
            let rows = Tensor::from_object(lent(call.rows, "rows")?);
            let logits = instance::<T>(this)?.predict(&batch, &rows)?;
            write(call.logits, logits.object_of());
        }
        Ok(())
    })
}

/// Provides `lacuna.objective.phases`.
pub struct Phases<T>(PhantomData<T>);

impl<T: api::Phases> Phases<T> {
    const TABLE: &'static abi::Phases = &abi::Phases { phases: phases::<T>, loss: phase_loss::<T> };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry = Entry { interface: name::PHASES, settings: "", table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn phases<T: api::Phases>(this: *const u8, json: *mut Handle) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and room for the text.
        unsafe { write(json, new_text(&api::phases_json(&instance::<T>(this)?.phases()))) };
        Ok(())
    })
}

unsafe extern "C" fn phase_loss<T: api::Phases>(
    this: *const u8,
    phase: u32,
    carry: Handle,
    call: *const LossCall,
) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends the rest.
        unsafe {
            let (batch, collector) = loss_call(call)?;
            let carry = Batch::from_object(lent(carry, "batch to carry")?);
            instance::<T>(this)?.phase_loss(phase as usize, &carry, &batch)?.hand_over(&collector)
        }
    })
}

/// Provides `lacuna.objective.couple`.
pub struct Couple<T>(PhantomData<T>);

impl<T: api::Couple> Couple<T> {
    const TABLE: &'static abi::Couple = &abi::Couple { represent: represent::<T>, couple: couple::<T> };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry = Entry { interface: name::COUPLE, settings: "", table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn represent<T: api::Couple>(this: *const u8, batch: Handle, out: Handle) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends the batches.
        unsafe {
            let batch = Batch::from_object(lent(batch, "batch")?);
            let out = Batch::from_object(lent(out, "batch for representations")?);
            instance::<T>(this)?.represent(&batch, &out)
        }
    })
}

unsafe extern "C" fn couple<T: api::Couple>(this: *const u8, all: Handle, call: *const LossCall) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends the rest.
        unsafe {
            let (batch, collector) = loss_call(call)?;
            let all = Batch::from_object(lent(all, "batch of representations")?);
            instance::<T>(this)?.couple(&all, &batch)?.hand_over(&collector)
        }
    })
}

/// Provides `lacuna.objective.experience`.
pub struct Experience<T>(PhantomData<T>);

impl<T: api::Experience> Experience<T> {
    const TABLE: &'static abi::Experience = &abi::Experience { experience: experience::<T> };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry = Entry { interface: name::EXPERIENCE, settings: "", table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn experience<T: api::Experience>(this: *const u8, batch: Handle, out: Handle) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends the batches.
        unsafe {
            let batch = Batch::from_object(lent(batch, "batch")?);
            let out = Batch::from_object(lent(out, "batch of experience")?);
            instance::<T>(this)?.experience(&batch, &out)
        }
    })
}

/// Provides `lacuna.objective.gradients`.
pub struct Gradients<T>(PhantomData<T>);

impl<T: api::Gradients> Gradients<T> {
    const TABLE: &'static abi::Gradients = &abi::Gradients { gradients: gradients::<T> };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry = Entry { interface: name::GRADIENTS, settings: "", table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn gradients<T: api::Gradients>(this: *const u8, access: Handle) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends the access.
        unsafe { instance::<T>(this)?.gradients(&api::GradientAccess(lent(access, "gradients")?)) }
    })
}

/// Puts the outputs of a family.
pub(super) fn put_all(outputs: &Batch, hidden: &Tensor, further: &[(String, Tensor)]) -> Result<()> {
    outputs.put("hidden", hidden as &dyn HostObject)?;
    further.iter().try_for_each(|(name, tensor)| outputs.put(name, tensor))
}

//! The tables of a model family.

use std::marker::PhantomData;
use std::sync::{Arc, RwLock};

use lacuna_abi::{self as abi, Bytes, Handle, HeadCall, Interface, ModelCall, name};

use super::borrow::{new_text, slice, text};
use super::export::Entry;
use super::guard::guard;
use super::objectives::{destroy, instance, lent, put_all, settings, write};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::family as api;
use crate::huggingface::HuggingFace as HuggingFaceFamily;
use crate::layout::Layout;
use crate::mask::Mask;
use crate::model::HeadKind;
use crate::scope::Scope;
use crate::settings::{Settings, parse};
use crate::state::State;
use crate::tensor::Tensor;

/// What an instance pointer of a family points to.
struct Instance<T> {
    family: T,
    /// Heads by the number the host knows them by. Only added to.
    heads: RwLock<Vec<Arc<dyn api::HeadModule>>>,
}

fn heads_lost<E>(_: E) -> Error {
    Error::new("plugin/heads", "an earlier panic left the heads of this model unusable")
}

/// Provides `lacuna.model`.
pub struct Model<T>(PhantomData<T>);

impl<T: api::ModelFamily> Model<T> {
    const TABLE: &'static abi::Model = &abi::Model {
        build: build::<T>,
        destroy: destroy::<Instance<T>>,
        forward: forward::<T>,
        head: head::<T>,
        apply: apply::<T>,
        describe: describe::<T>,
    };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry =
        Entry { interface: name::MODEL, settings: T::Settings::SCHEMA, table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn build<T: api::ModelFamily>(scope: Handle, given: Bytes, out: *mut *mut u8) -> Handle {
    guard(|| {
        // SAFETY: the host lends scope and settings for the call and gives room for the instance.
        unsafe {
            let scope = Scope::from_object(lent(scope, "scope")?);
            let family = T::build(settings(given)?, &scope)?;
            let made = Instance { family, heads: RwLock::new(Vec::new()) };
            out.write(Box::into_raw(Box::new(made)).cast());
        }
        Ok(())
    })
}

/// The host's call as the family sees it, and where its outputs go.
///
/// # Safety
/// `call` is null or alive with all it points to.
unsafe fn forward_call(call: *const ModelCall) -> Result<(api::Forward, Batch)> {
    // SAFETY: by the caller's promise.
    unsafe {
        let call = call.as_ref().ok_or_else(|| Error::new("host/argument", "the host gave no forward call"))?;
        let inputs = Batch::from_object(lent(call.inputs, "inputs")?);
        let mut masks = Vec::with_capacity(call.masks_len);
        for &handle in slice(call.masks, call.masks_len) {
            masks.push(if handle.is_null() { None } else { Some(Mask::from_object(lent(handle, "mask")?)) });
        }
        let mut wanted = Vec::with_capacity(call.wanted_len);
        for &name in slice(call.wanted, call.wanted_len) {
            wanted.push(text(name, "the name of an output")?.to_owned());
        }
        let forward = api::Forward {
            workflow: text(call.workflow, "the workflow")?.to_owned(),
            tokens: inputs.get("tokens")?,
            embeddings: inputs.get("embeddings")?,
            hidden: inputs.get("hidden")?,
            inputs,
            layout: Layout::from_object(lent(call.layout, "layout")?),
            masks,
            first_layer: call.first_layer,
            last_layer: call.last_layer,
            wanted,
        };
        Ok((forward, Batch::from_object(lent(call.outputs, "batch for outputs")?)))
    }
}

unsafe extern "C" fn forward<T: api::ModelFamily>(this: *const u8, call: *const ModelCall) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends the call.
        let (this, (call, outputs)) = unsafe { (instance::<Instance<T>>(this)?, forward_call(call)?) };
        let output = this.family.forward(&call)?;
        put_all(&outputs, &output.hidden, &output.further)
    })
}

unsafe extern "C" fn head<T: api::ModelFamily>(
    this: *const u8,
    scope: Handle,
    call: *const HeadCall,
    number: *mut u64,
) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance, lends the rest and gives room for the number.
        unsafe {
            let this = instance::<Instance<T>>(this)?;
            let scope = Scope::from_object(lent(scope, "scope")?);
            let call = call.as_ref().ok_or_else(|| Error::new("host/argument", "the host gave no request"))?;
            let kind = HeadKind::from_parts(text(call.kind, "the kind of head")?, call.size)?;
            let size = usize::try_from(call.size).unwrap_or(usize::MAX);
            let made = this.family.head(&scope, &api::HeadRequest { kind, size })?;
            let mut heads = this.heads.write().map_err(heads_lost)?;
            number.write(heads.len() as u64);
            heads.push(Arc::from(made));
        }
        Ok(())
    })
}

unsafe extern "C" fn apply<T: api::ModelFamily>(
    this: *const u8,
    number: u64,
    hidden: Handle,
    logits: *mut Handle,
) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance, lends the rest and gives room for the logits.
        unsafe {
            let this = instance::<Instance<T>>(this)?;
            let hidden = Tensor::from_object(lent(hidden, "hidden rows")?);
            let head =
                this.heads.read().map_err(heads_lost)?.get(usize::try_from(number).unwrap_or(usize::MAX)).cloned();
            let head =
                head.ok_or_else(|| Error::new("host/head", format!("this model has no head number {number}")))?;
            write(logits, head.apply(&hidden)?.object_of());
        }
        Ok(())
    })
}

unsafe extern "C" fn describe<T: api::ModelFamily>(this: *const u8, json: *mut Handle) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and room for the text.
        unsafe { write(json, new_text(&instance::<Instance<T>>(this)?.family.describe().to_json())) };
        Ok(())
    })
}

/// Provides `lacuna.model.decode`.
pub struct Decode<T>(PhantomData<T>);

impl<T: api::Decode> Decode<T> {
    const TABLE: &'static abi::Decode = &abi::Decode { begin: begin::<T>, step: step::<T> };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry = Entry { interface: name::DECODE, settings: "", table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn begin<T: api::Decode>(this: *const u8, state: Handle) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends the state.
        let (this, state) = unsafe { (instance::<Instance<T>>(this)?, lent(state, "state")?) };
        this.family.begin(&State::from_object(state))
    })
}

unsafe extern "C" fn step<T: api::Decode>(this: *const u8, state: Handle, call: *const ModelCall) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends the rest.
        let (this, state, (call, outputs)) =
            unsafe { (instance::<Instance<T>>(this)?, lent(state, "state")?, forward_call(call)?) };
        let output = this.family.step(&State::from_object(state), &call)?;
        put_all(&outputs, &output.hidden, &output.further)
    })
}

/// Provides `lacuna.model.axes`.
pub struct Axes<T>(PhantomData<T>);

impl<T: api::Axes> Axes<T> {
    const TABLE: &'static abi::Axes = &abi::Axes { axes: axes::<T> };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry = Entry { interface: name::AXES, settings: "", table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn axes<T: api::Axes>(this: *const u8, json: *mut Handle) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and room for the text.
        unsafe { write(json, new_text(&api::axes_json(&instance::<Instance<T>>(this)?.family.axes()))) };
        Ok(())
    })
}

/// Provides `lacuna.model.huggingface`.
pub struct HuggingFace<T>(PhantomData<T>);

impl<T: HuggingFaceFamily> HuggingFace<T> {
    const TABLE: &'static abi::HuggingFace =
        &abi::HuggingFace { settings: settings_of::<T>, config: config::<T>, table: table::<T> };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry =
        Entry { interface: name::HUGGING_FACE, settings: "", table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn settings_of<T: HuggingFaceFamily>(given: Bytes, json: *mut Handle) -> Handle {
    guard(|| {
        // SAFETY: the host lends the text and gives room for the other.
        unsafe {
            match T::settings_of(&parse(text(given, "the configuration")?)?)? {
                Some(settings) => write(json, new_text(&settings.to_string())),
                None => json.write(Handle::NULL),
            }
        }
        Ok(())
    })
}

unsafe extern "C" fn config<T: HuggingFaceFamily>(this: *const u8, json: *mut Handle) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and room for the text.
        unsafe { write(json, new_text(&instance::<Instance<T>>(this)?.family.config()?.to_string())) };
        Ok(())
    })
}

unsafe extern "C" fn table<T: HuggingFaceFamily>(this: *const u8, json: *mut Handle) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and room for the text.
        unsafe { write(json, new_text(&instance::<Instance<T>>(this)?.family.table().to_json())) };
        Ok(())
    })
}

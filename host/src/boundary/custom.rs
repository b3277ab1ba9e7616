//! A backward of the plugin's own: called on the step thread in a frame like the one it was given in.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use compute::Tensor;
use lacuna_abi::{CustomCall, Handle, Place};

use super::frame::{self, Frame};
use super::object::{self, Content, Object};
use super::{dispatch, errors, guard, tensors};
use crate::error::{Error, Result};

/// The plugin's side of a backward.
struct Backward {
    state: *mut u8,
    drop: unsafe extern "C" fn(*mut u8),
    function: unsafe extern "C" fn(*mut u8, *const Handle, usize, *mut Handle, usize) -> Handle,
    frame: Arc<Frame>,
    name: &'static str,
    inputs: usize,
}

// SAFETY: the state moves with the tape and is used by one thread at a time, the one that runs the backward pass.
unsafe impl Send for Backward {}
// SAFETY: as above; the pass takes the node's function out of its slot or holds its lock.
unsafe impl Sync for Backward {}

impl Drop for Backward {
    fn drop(&mut self) {
        // SAFETY: the state came with its own `drop` and is freed once.
        unsafe { (self.drop)(self.state) };
    }
}

impl Backward {
    fn run(&self, saved: &[Tensor], gradients: &[Option<Tensor>]) -> compute::Result<Vec<Option<Tensor>>> {
        let call = self.frame.call().clone();
        // The pass computes plain values: a tape of the backward itself has no reader.
        let frame = Frame::new(self.frame.callee().clone(), format!("backward of `{}`", self.name), call);
        let results =
            frame::with_frame(&frame, || compute::mode::with_gradients(false, || self.call(&frame, saved, gradients)));
        results.map_err(|error| {
            let place = error.place.map_or_else(String::new, |(file, line)| format!(" ({file}, line {line})"));
            compute::Error::gradient(self.name, format!("{}{place}", error.text))
        })
    }

    fn call(&self, frame: &Frame, saved: &[Tensor], gradients: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let saved = saved.iter().map(|tensor| Some(Object::new(tensor.clone())));
        let gradients = gradients.iter().map(|gradient| gradient.clone().map(Object::new));
        let given: Vec<Option<Arc<Object>>> = saved.chain(gradients).collect();
        let handles: Vec<Handle> =
            given.iter().map(|object| object.as_ref().map_or(Handle::NULL, Object::lend)).collect();
        let mut written = vec![Handle::NULL; self.inputs];
        // SAFETY: the state is alive, what is given is lent for the call, one place is there for each input.
        let error = unsafe {
            (self.function)(self.state, handles.as_ptr(), handles.len(), written.as_mut_ptr(), written.len())
        };
        // SAFETY: the plugin hands over what it returns and writes.
        let (error, results) = unsafe {
            (object::take(error), written.into_iter().map(|handle| object::take(handle)).collect::<Vec<_>>())
        };
        if let Some(fault) = frame.take_fault() {
            return Err(fault.error());
        }
        if let Some(error) = error {
            return Err(match error.content() {
                Content::Error(error) => error.clone(),
                _ => Error::new(
                    "plugin/kind",
                    format!("returned a {} where an error or null belongs", error.kind_name()),
                ),
            });
        }
        let tensor = |object: Arc<Object>| guard::tensor("a gradient", &object);
        results.into_iter().map(|object| object.map(tensor).transpose()).collect()
    }
}

/// Answers `Tensors::custom`: writes one result for each output, poisoned ones on a fault.
///
/// # Safety
/// `call` and all it points to must be null or alive, `place` null or alive, and `results` must hold a place for each
/// output.
pub(super) unsafe fn answer(call: *const CustomCall, place: *const Place, results: *mut Handle) {
    // SAFETY: by the caller's promise.
    let Some(call) = (unsafe { call.as_ref() }) else { return };
    if results.is_null() {
        return;
    }
    // SAFETY: by the caller's promise.
    let made = guard::caught(|| unsafe { custom(call) });
    let handles: Vec<Handle> = match made {
        Ok(tensors) => tensors.into_iter().map(|tensor| Object::new(tensor).into_handle()).collect(),
        Err(mut error) => {
            // SAFETY: by the caller's promise.
            if let (None, Some((file, line, _))) = (&error.place, unsafe { errors::owned_place(place) }) {
                error = error.at(file, line);
            }
            // SAFETY: by the caller's promise.
            let name = String::from_utf8_lossy(unsafe { call.name.as_slice() });
            let object = dispatch::poisoned(&name, error, frame::top().as_deref());
            (0..call.outputs_len).map(|_| object.clone().into_handle()).collect()
        }
    };
    for (index, handle) in handles.into_iter().take(call.outputs_len).enumerate() {
        // SAFETY: one place for each output by the caller's promise.
        unsafe { results.add(index).write(handle) };
    }
}

/// # Safety
/// All that `call` points to must be alive.
unsafe fn custom(call: &CustomCall) -> Result<Vec<Tensor>> {
    // Owned first, so that the state is freed whatever fails below. The frame is read before: without one nothing runs.
    let frame = tensors::step_frame();
    // SAFETY: by the caller's promise.
    let name = unsafe { guard::text("the name of a custom operation", call.name) };
    let (frame, name) = match (frame, name) {
        (Ok(frame), Ok(name)) => (frame, interned(name)),
        (Err(error), _) | (_, Err(error)) => {
            // SAFETY: the state came with its own `drop` and nobody else has it.
            unsafe { (call.drop)(call.state) };
            return Err(error);
        }
    };
    let backward =
        Backward { state: call.state, drop: call.drop, function: call.backward, frame, name, inputs: call.inputs_len };
    // SAFETY: by the caller's promise.
    let (inputs, outputs, saved) = unsafe {
        (
            tensors_of("an input", call.inputs, call.inputs_len)?,
            tensors_of("an output", call.outputs, call.outputs_len)?,
            tensors_of("a saved tensor", call.saved, call.saved_len)?,
        )
    };
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let results =
        compute::ops::custom(name, &inputs, outputs, saved, move |saved, gradients| backward.run(saved, gradients))?;
    Ok(results)
}

/// # Safety
/// As [`guard::slice`], and the handles must be alive.
unsafe fn tensors_of(what: &str, handles: *const Handle, len: usize) -> Result<Vec<Tensor>> {
    // SAFETY: by the caller's promise.
    let handles = unsafe { guard::slice(what, handles, len)? };
    // SAFETY: as above.
    handles.iter().map(|handle| guard::tensor(what, unsafe { guard::object(what, *handle)? })).collect()
}

/// The tape keeps names for ever; plugins have a handful of them.
fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let leaked: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(leaked);
    leaked
}

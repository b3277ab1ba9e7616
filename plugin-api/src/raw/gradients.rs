//! Gradients on request and backward passes of a plugin's own.

use std::panic::Location;

use lacuna_abi::{Bytes, CustomCall, Handle};

use super::borrow::slice;
use super::errors::checked;
use super::guard::{guard, guard_or};
use super::host::host;
use super::object::{HostObject, Object};
use super::operation::place;
use super::values::handles;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub(crate) fn grad(
    outputs: &[&Tensor],
    seeds: &[Option<&Tensor>],
    wrt: &[&dyn HostObject],
    keep: bool,
) -> Result<Vec<Option<Tensor>>> {
    let mut seed_handles: Vec<Handle> =
        seeds.iter().map(|seed| seed.map_or(Handle::NULL, |seed| seed.object().handle())).collect();
    if seeds.len() > outputs.len() {
        return Err(Error::data(format!("{} seeds for {} outputs", seeds.len(), outputs.len())));
    }
    seed_handles.resize(outputs.len(), Handle::NULL);
    let outputs = tensors(outputs);
    let wrt: Vec<Handle> = wrt.iter().map(|object| object.object().handle()).collect();
    let mut results = vec![Handle::NULL; wrt.len()];
    // SAFETY: all handles are held, all lists outlive the call and come with their lengths.
    let error = unsafe {
        (host().tensors.grad)(
            outputs.as_ptr(),
            seed_handles.as_ptr(),
            outputs.len(),
            wrt.as_ptr(),
            wrt.len(),
            u32::from(keep),
            results.as_mut_ptr(),
        )
    };
    let results: Vec<_> =
        results.into_iter().map(|handle| Object::owned_or_none(handle).map(Tensor::from_object)).collect();
    checked(error).map(|()| results)
}

fn tensors(tensors: &[&Tensor]) -> Vec<Handle> {
    let objects: Vec<&Object> = tensors.iter().map(|tensor| tensor.object()).collect();
    handles(&objects)
}

struct Backward<F> {
    function: F,
    saved: usize,
}

pub(crate) fn custom<F>(
    name: &str,
    inputs: &[&Tensor],
    outputs: &[&Tensor],
    saved: &[&Tensor],
    function: F,
    at: &'static Location<'static>,
) -> Vec<Tensor>
where
    F: Fn(&[Tensor], &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> + Send + Sync + 'static,
{
    let state = Box::into_raw(Box::new(Backward { function, saved: saved.len() }));
    let (inputs, outputs, saved) = (tensors(inputs), tensors(outputs), tensors(saved));
    let call = CustomCall {
        name: Bytes::text(name),
        inputs: inputs.as_ptr(),
        inputs_len: inputs.len(),
        outputs: outputs.as_ptr(),
        outputs_len: outputs.len(),
        saved: saved.as_ptr(),
        saved_len: saved.len(),
        backward: run::<F>,
        drop: free::<F>,
        state: state.cast(),
    };
    let place = place(at);
    let mut results = vec![Handle::NULL; outputs.len()];
    // SAFETY: all lists outlive the call; the state is freed by `drop`, which the host calls once.
    unsafe { (host().tensors.custom)(&raw const call, &raw const place, results.as_mut_ptr()) };
    results.into_iter().map(|handle| Tensor::from_object(Object::owned(handle))).collect()
}

unsafe extern "C" fn run<F>(
    state: *mut u8,
    given: *const Handle,
    given_len: usize,
    results: *mut Handle,
    results_len: usize,
) -> Handle
where
    F: Fn(&[Tensor], &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>>,
{
    guard(|| {
        // SAFETY: `state` is the box below `custom`, alive until `free`; the lists come with their lengths.
        let (state, given) = unsafe { (&*state.cast::<Backward<F>>(), slice(given, given_len)) };
        let (saved, gradients) = given.split_at(state.saved.min(given.len()));
        // SAFETY: the host lends the handles for the call.
        let held = |handle: &Handle| Tensor::from_object(unsafe { Object::borrowed(*handle) });
        let saved: Vec<Tensor> = saved.iter().map(held).collect();
        let gradients: Vec<Option<Tensor>> =
            gradients.iter().map(|handle| (!handle.is_null()).then(|| held(handle))).collect();
        let made = (state.function)(&saved, &gradients)?;
        if made.len() != results_len {
            return Err(Error::new(
                "plugin/backward",
                format!("the backward pass gave {} gradients for {results_len} inputs", made.len()),
            ));
        }
        for (index, gradient) in made.into_iter().enumerate() {
            let handle = gradient.map_or(Handle::NULL, |gradient| gradient.object_of().into_handle());
            // SAFETY: `index` is below `results_len`.
            unsafe { results.add(index).write(handle) };
        }
        Ok(())
    })
}

unsafe extern "C" fn free<F>(state: *mut u8) {
    // SAFETY: the box from `custom`, given back once.
    guard_or((), || drop(unsafe { Box::from_raw(state.cast::<Backward<F>>()) }));
}

//! `lacuna.tensors/0`: operations, counts, and what leaves or enters the world of tensors.

use std::sync::Arc;

use compute::Value;
use lacuna_abi::{Attribute, Bytes, CustomCall, Handle, Place, Tensors, Work};
use rayon::prelude::*;

use super::call::Thread;
use super::dispatch::{self, Request};
use super::object::{self, Content, Object, TensorState};
use super::{custom, errors, frame, guard, memory};
use crate::error::{Error, Result};

pub(super) static TABLE: Tensors =
    Tensors { op, retain, release, kind, shape, dtype, read, make, check, custom: custom_op, grad, parallel };

unsafe extern "C" fn op(
    number: u32,
    inputs: *const Handle,
    inputs_len: usize,
    attributes: *const Attribute,
    attributes_len: usize,
    place: *const Place,
    outputs: *mut Handle,
    outputs_len: usize,
) {
    if outputs.is_null() {
        return;
    }
    let request =
        Request { number, inputs: (inputs, inputs_len), attributes: (attributes, attributes_len), place, outputs_len };
    // SAFETY: the plugin lends inputs, attributes and place for this call, and gives `outputs_len` writable places;
    // indices stay below that.
    unsafe { dispatch::answer(&request, |index, result| outputs.add(index).write(result.into_handle())) };
}

unsafe extern "C" fn retain(object: Handle) {
    // SAFETY: the plugin holds the handle; the new count is the plugin's.
    if let Some(object) = unsafe { object::share(object) } {
        let _ = object.into_handle();
    }
}

unsafe extern "C" fn release(object: Handle) {
    // A drop that panics must not leave; nothing can be told to a caller without an answer.
    drop(guard::caught(|| {
        // SAFETY: the plugin gives up one count of its own.
        drop(unsafe { object::take(object) });
        Ok(())
    }));
}

unsafe extern "C" fn kind(object: Handle) -> u32 {
    // SAFETY: the plugin holds the handle.
    unsafe { object::borrow(object) }.map_or(0, Object::kind)
}

unsafe extern "C" fn shape(tensor: Handle, dims: *mut usize, capacity: usize, rank: *mut usize) -> Handle {
    guard::answer(|| {
        // SAFETY: the handle is lent for this call.
        let object = unsafe { guard::object("the tensor", tensor)? };
        let found = match object.content() {
            Content::Tensor(TensorState::Ready(tensor)) => tensor.dims(),
            Content::Tensor(TensorState::Poisoned(fault)) => return Err(fault.error()),
            Content::Weight(weight) => weight.shape(),
            Content::Buffer(buffer) => buffer.shape(),
            _ => return Err(guard::wrong_kind("the tensor", "tensor", object)),
        };
        if rank.is_null() || (dims.is_null() && capacity > 0) {
            return Err(guard::null("the place for the shape"));
        }
        let written = found.len().min(capacity);
        // SAFETY: not null; `capacity` places are writable by the table's contract. With none, nothing is written.
        unsafe {
            rank.write(found.len());
            if written > 0 {
                std::ptr::copy_nonoverlapping(found.as_ptr(), dims, written);
            }
        }
        Ok(())
    })
}

unsafe extern "C" fn dtype(tensor: Handle, dtype: *mut u32) -> Handle {
    guard::answer(|| {
        // SAFETY: the handle is lent for this call.
        let object = unsafe { guard::object("the tensor", tensor)? };
        let found = match object.content() {
            Content::Tensor(TensorState::Ready(tensor)) => tensor.dtype(),
            Content::Tensor(TensorState::Poisoned(fault)) => return Err(fault.error()),
            Content::Weight(_) => guard::tensor("the weight", object)?.dtype(),
            Content::Buffer(buffer) => buffer.dtype(),
            _ => return Err(guard::wrong_kind("the tensor", "tensor", object)),
        };
        // SAFETY: null or writable.
        *unsafe { dtype.as_mut() }.ok_or_else(|| guard::null("the place for the element type"))? =
            guard::dtype_number(found)?;
        Ok(())
    })
}

unsafe extern "C" fn read(tensor: Handle, dtype: u32, out: *mut u8, len: usize) -> Handle {
    guard::answer(|| {
        // SAFETY: the handle is lent for this call.
        let tensor = guard::tensor("the tensor", unsafe { guard::object("the tensor", tensor)? })?;
        let dtype = guard::dtype(dtype)?;
        if len == 0 {
            return memory::read_into(&tensor, dtype, &mut []);
        }
        if out.is_null() {
            return Err(guard::null("the place for the elements"));
        }
        // SAFETY: not null; the plugin gives `len` bytes that it holds alone.
        memory::read_into(&tensor, dtype, unsafe { std::slice::from_raw_parts_mut(out, len) })
    })
}

/// An error unless tensors may be worked with on this thread.
pub(super) fn step_frame() -> Result<Arc<frame::Frame>> {
    let frame = frame::current()?;
    if frame.call().options().thread == Thread::Data {
        return Err(Error::new("thread/data", "tensor operations do not run on data threads")
            .with_help("collation works on plain memory; what needs tensors belongs in `loss`"));
    }
    Ok(frame)
}

unsafe extern "C" fn make(dtype: u32, dims: *const usize, rank: usize, data: Bytes, place: *const Place) -> Handle {
    let made = guard::caught(|| {
        let frame = step_frame()?;
        // SAFETY: shape and data are lent for this call.
        let (dims, data) = unsafe { (guard::slice("the shape", dims, rank)?, data.as_slice()) };
        memory::tensor_from_bytes(guard::dtype(dtype)?, dims, data, &frame.call().options().device)
    });
    match made {
        Ok(tensor) => Object::new(tensor).into_handle(),
        // SAFETY: the place is null or lent for this call.
        Err(error) => {
            dispatch::poisoned("make", placed(error, unsafe { errors::owned_place(place) }), frame::top().as_deref())
                .into_handle()
        }
    }
}

fn placed(error: Error, place: Option<(String, u32, u32)>) -> Error {
    match place {
        Some((file, line, _)) if error.place.is_none() => error.at(file, line),
        _ => error,
    }
}

unsafe extern "C" fn check() -> Handle {
    match frame::top().and_then(|frame| frame.take_fault()) {
        Some(fault) => guard::error_handle(fault.error()),
        None => Handle::NULL,
    }
}

unsafe extern "C" fn custom_op(call: *const CustomCall, place: *const Place, results: *mut Handle) {
    // SAFETY: the plugin lends the request and all it points to for this call; `results` holds a place for each output.
    unsafe { custom::answer(call, place, results) };
}

unsafe extern "C" fn grad(
    outputs: *const Handle,
    seeds: *const Handle,
    outputs_len: usize,
    wrt: *const Handle,
    wrt_len: usize,
    keep: u32,
    results: *mut Handle,
) -> Handle {
    guard::answer(|| {
        step_frame()?;
        // SAFETY: handles are lent for this call.
        let (outputs, wrt) =
            unsafe { (guard::slice("the outputs", outputs, outputs_len)?, guard::slice("`wrt`", wrt, wrt_len)?) };
        // SAFETY: as above; no seeds at all means one for each output.
        let seeds = if seeds.is_null() { &[] } else { unsafe { guard::slice("the seeds", seeds, outputs_len)? } };
        if results.is_null() && !wrt.is_empty() {
            return Err(guard::null("the place for the gradients"));
        }
        let mut pairs = Vec::with_capacity(outputs.len());
        for (index, output) in outputs.iter().enumerate() {
            // SAFETY: as above.
            let output = guard::tensor("an output", unsafe { guard::object("an output", *output)? })?;
            // SAFETY: as above.
            let seed = seeds.get(index).and_then(|seed| unsafe { object::borrow(*seed) });
            let seed: Value = match seed {
                Some(seed) => guard::tensor("a seed", seed)?.value().clone(),
                None => output.value().ones_like().map_err(compute::Error::from)?,
            };
            pairs.push((output, seed));
        }
        let mut targets = Vec::with_capacity(wrt.len());
        for target in wrt {
            // SAFETY: as above.
            let target = unsafe { guard::object("a tensor of `wrt`", *target)? };
            targets.push(match target.content() {
                // Each use of a weight resolves it anew; what all uses share is the leaf.
                Content::Weight(weight) => compute::Tensor::leaf(weight.value(), &weight.leaf()),
                _ => guard::tensor("a tensor of `wrt`", target)?,
            });
        }
        let pairs: Vec<_> = pairs.iter().map(|(output, seed)| (output, seed.clone())).collect();
        let found = compute::grad(&pairs, &targets.iter().collect::<Vec<_>>(), keep != 0)?;
        for (index, gradient) in found.into_iter().enumerate() {
            let handle =
                gradient.map_or(Handle::NULL, |value| Object::new(compute::Tensor::constant(value)).into_handle());
            // SAFETY: not null; one place for each of `wrt` by the table's contract.
            unsafe { results.add(index).write(handle) };
        }
        Ok(())
    })
}

/// A pointer that a plugin says may be shared between threads.
#[derive(Clone, Copy)]
struct Shared(*mut u8);
// SAFETY: `parallel` hands it to the plugin's function only, which by its contract may run concurrently.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn get(self) -> *mut u8 {
        self.0
    }
}

unsafe extern "C" fn parallel(count: usize, work: Work, state: *mut u8) -> Handle {
    guard::answer(|| {
        let state = Shared(state);
        // SAFETY: the plugin's function takes any index below `count` from any thread.
        (0..count).into_par_iter().for_each(|index| unsafe { (work.function)(state.get(), index) });
        Ok(())
    })
}

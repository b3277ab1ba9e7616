//! The boundary as a plugin meets it: through the tables alone.
#![allow(clippy::unwrap_used, reason = "tests")]

mod instances;
mod operations;
mod plugin;
mod rules;

use std::sync::Arc;

use compute::Device;
use lacuna_abi::{Attribute, Bytes, Handle, Place, Tensors, attribute, dtype, name};

use super::call::{Call, CallOptions};
use super::frame::{self, Callee, Frame};
use super::live::Live;
use super::object::{self, Content, Object};
use super::query;
use crate::error::Error;

/// The host's tables, fitted as a plugin fits them.
fn tensors() -> &'static Tensors {
    unsafe { lacuna_abi::fit(query(Bytes::text(name::TENSORS))) }.unwrap()
}

fn errors() -> &'static lacuna_abi::Errors {
    unsafe { lacuna_abi::fit(query(Bytes::text(name::ERRORS))) }.unwrap()
}

fn place() -> Place {
    Place { file: Bytes::text("plugins/mlm/src/lib.rs"), line: 41, column: 9 }
}

/// Runs `work` as plugin code `mlm 0.3.0 loss` on the step thread.
fn in_call<T>(options: CallOptions, work: impl FnOnce(&Frame) -> T) -> T {
    let callee = Callee { plugin: "mlm 0.3.0".into(), role: "".into(), live: Arc::new(Live::default()) };
    let frame = Frame::new(callee, "loss", Call::new(options));
    frame::with_frame(&frame, || work(&frame))
}

fn step() -> CallOptions {
    CallOptions::training(7, 3, Device::Cpu)
}

/// Applies an operation with one output.
fn op(number: u32, inputs: &[Handle], attributes: &[Attribute]) -> Handle {
    let [out] = ops(number, inputs, attributes);
    out
}

fn ops<const N: usize>(number: u32, inputs: &[Handle], attributes: &[Attribute]) -> [Handle; N] {
    let (place, mut out) = (place(), [Handle::NULL; N]);
    unsafe {
        (tensors().op)(
            number,
            inputs.as_ptr(),
            inputs.len(),
            attributes.as_ptr(),
            attributes.len(),
            &raw const place,
            out.as_mut_ptr(),
            N,
        );
    }
    out
}

fn f32s(data: &[f32], dims: &[usize]) -> Handle {
    let bytes: Vec<u8> = data.iter().flat_map(|number| number.to_ne_bytes()).collect();
    let place = place();
    unsafe { (tensors().make)(dtype::F32, dims.as_ptr(), dims.len(), Bytes::slice(&bytes), &raw const place) }
}

fn full(dims: &[i64], value: f64) -> Handle {
    op(
        lacuna_abi::op::FULL,
        &[],
        &[Attribute::integers(attribute::SHAPE, dims), Attribute::float(attribute::VALUE, value)],
    )
}

fn read(tensor: Handle, len: usize) -> Vec<f64> {
    let mut bytes = vec![0_u8; len * 8];
    succeed(unsafe { (tensors().read)(tensor, dtype::F64, bytes.as_mut_ptr(), bytes.len()) });
    bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_ne_bytes(*bytes)).collect()
}

fn release(handles: impl IntoIterator<Item = Handle>) {
    handles.into_iter().for_each(|handle| unsafe { (tensors().release)(handle) });
}

/// The error of an owned error handle.
fn taken(handle: Handle) -> Error {
    match unsafe { object::take(handle) }.expect("an error").content() {
        Content::Error(error) => error.clone(),
        _ => panic!("no error"),
    }
}

fn succeed(error: Handle) {
    assert!(error.is_null(), "{}", taken(error));
}

fn check() -> Option<Error> {
    let error = unsafe { (tensors().check)() };
    (!error.is_null()).then(|| taken(error))
}

fn count(handle: Handle) -> usize {
    Arc::strong_count(&unsafe { object::share(handle) }.unwrap()) - 1
}

fn handle_of(content: impl Into<Content>) -> Handle {
    Object::new(content).into_handle()
}

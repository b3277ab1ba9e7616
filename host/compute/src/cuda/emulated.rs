//! Launches on the CPU, where each thread of a kernel is a fiber (`emulation/device.cpp`); for tests alone.
//!
//! Inputs are copied to buffers that end at a page nobody may touch; outputs begin as NaN.

use std::ffi::{CString, c_char, c_int, c_void};

use candle_core::DType;

use super::calls::{Call, Pointer};
use super::launch::{Launch, Output, collected};
use crate::kernel::{by_element, slice, value_of};
use crate::{Error, Result, Value};

// SAFETY: these are the functions of `emulation/device.cpp`, which the build script links with this feature.
unsafe extern "C" {
    fn lacuna_emulation_buffer(bytes: usize) -> *mut c_void;
    fn lacuna_emulation_release(buffer: *mut c_void, bytes: usize);
    fn lacuna_emulation_launch(
        name: *const c_char,
        grid: *const u32,
        block: *const u32,
        shared_bytes: usize,
        call: *const c_void,
    ) -> c_int;
}

fn fault(name: &str, fact: &str) -> Error {
    Error::Device { operation: "kernel", fact: format!("emulated kernel `{name}`: {fact}") }
}

/// Memory whose end is the end of what may be touched.
struct Buffer {
    start: *mut u8,
    bytes: usize,
}

impl Buffer {
    fn new(bytes: usize) -> Result<Self> {
        // SAFETY: any number of bytes is fine; null is looked at below.
        let start = unsafe { lacuna_emulation_buffer(bytes) }.cast::<u8>();
        if start.is_null() { Err(fault("buffer", "no memory")) } else { Ok(Self { start, bytes }) }
    }

    fn holding<T: Copy>(elements: &[T]) -> Result<Self> {
        let buffer = Self::new(size_of_val(elements))?;
        // SAFETY: the buffer is new and as long as the elements; its end is a page's, so that it is aligned for them.
        unsafe { std::ptr::copy_nonoverlapping(elements.as_ptr(), buffer.start.cast(), elements.len()) };
        Ok(buffer)
    }

    fn elements<T: Copy>(&self) -> Vec<T> {
        // SAFETY: the buffer was made for whole elements of a type whose every pattern of bits is a value.
        unsafe { std::slice::from_raw_parts(self.start.cast::<T>(), self.bytes / size_of::<T>()) }.to_vec()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: made by the function beside it, with the same number of bytes, and not used again.
        unsafe { lacuna_emulation_release(self.start.cast(), self.bytes) };
    }
}

pub(super) fn run<C: Call, const I: usize, const O: usize>(
    launch: &Launch,
    inputs: &[Option<Value>],
    outputs: [Option<Output>; O],
    call: impl FnOnce([Pointer; I], [Pointer; O]) -> C,
) -> Result<[Option<Value>; O]> {
    let copied =
        |value: &Value| by_element!(value.dtype(), T => { slice!(elements: T = value); Buffer::holding(elements) });
    let mut from = [0; I];
    let mut held = Vec::with_capacity(I);
    for (place, input) in from.iter_mut().zip(inputs) {
        let Some(value) = input else { continue };
        let buffer = copied(value)?;
        *place = buffer.start as u64;
        held.push(buffer);
    }
    let mut to = [0; O];
    let mut made = Vec::with_capacity(O);
    for (place, output) in to.iter_mut().zip(&outputs) {
        let Some(output) = output else {
            made.push(None);
            continue;
        };
        let bytes = output.shape.iter().product::<usize>() * output.dtype.size_in_bytes();
        let buffer = if output.zeroed { Buffer::holding(&vec![0_u8; bytes])? } else { Buffer::new(bytes)? };
        *place = buffer.start as u64;
        made.push(Some(buffer));
    }
    let call = call(from, to);
    let name = CString::new(format!("{}_{}", launch.name, launch.elements.as_str()))
        .map_err(|_| fault(launch.name, "its name holds a zero byte"))?;
    let grid = [launch.grid[0] as u32, launch.grid[1] as u32, 1];
    let block = [launch.block[0] as u32, launch.block[1] as u32, 1];
    // SAFETY: the buffers live until after the call; `Call` promises that the argument is the kernel's.
    let result = unsafe {
        lacuna_emulation_launch(
            name.as_ptr(),
            grid.as_ptr(),
            block.as_ptr(),
            launch.shared_bytes(),
            (&raw const call).cast(),
        )
    };
    match result {
        0 => {}
        1 => return Err(fault(launch.name, "there is none of this name")),
        2 => return Err(fault(launch.name, "some threads never reach a barrier that others wait at")),
        _ => return Err(fault(launch.name, "the grid or block is none that a device takes")),
    }
    collected(made.into_iter().zip(outputs).map(|(buffer, output)| {
        let Some((buffer, output)) = buffer.zip(output) else { return Ok(None) };
        match output.dtype {
            DType::F32 => value_of(buffer.elements::<f32>(), &output.shape).map(Some),
            DType::F64 => value_of(buffer.elements::<f64>(), &output.shape).map(Some),
            DType::BF16 => value_of(buffer.elements::<half::bf16>(), &output.shape).map(Some),
            DType::F16 => value_of(buffer.elements::<half::f16>(), &output.shape).map(Some),
            _ => Err(fault(launch.name, "its output is no float")),
        }
    }))
}

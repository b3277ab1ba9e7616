//! From values to slices and back.

use candle_core::{Layout, Storage, WithDType};

use super::Real;
use crate::{Device, Error, Result, Value};

/// Runs `body` with `T` naming the type that values of `dtype` are computed in: f64 for f64, otherwise f32.
macro_rules! by_real {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            _ => {
                type $T = f32;
                $body
            }
        }
    };
}

/// Runs `body`, which gives a `Result`, with `T` naming the type of elements of `dtype`, whatever it is.
macro_rules! by_element {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::U8 => {
                type $T = u8;
                $body
            }
            candle_core::DType::U32 => {
                type $T = u32;
                $body
            }
            candle_core::DType::I64 => {
                type $T = i64;
                $body
            }
            candle_core::DType::BF16 => {
                type $T = half::bf16;
                $body
            }
            candle_core::DType::F16 => {
                type $T = half::f16;
                $body
            }
            candle_core::DType::F32 => {
                type $T = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            other => {
                Err($crate::Error::Device { operation: "kernel", fact: format!("{other:?} is not an element type") })
            }
        }
    };
}

/// Binds a name to the contiguous elements of a value on the CPU, converted to a type where needed.
macro_rules! slice {
    ($name:ident: $T:ty = $value:expr) => {
        let held = $crate::kernel::plain::<$T>($value)?;
        let (storage, layout) = held.storage_and_layout();
        let $name: &[$T] = $crate::kernel::elements(&storage, layout)?;
    };
}

/// As `slice!`, for a value that may be absent.
macro_rules! optional_slice {
    ($name:ident: $T:ty = $value:expr) => {
        let held = $value.map(|value| $crate::kernel::plain::<$T>(value)).transpose()?;
        let parts = held.as_ref().map(|held| held.storage_and_layout());
        let $name: Option<&[$T]> =
            parts.as_ref().map(|(storage, layout)| $crate::kernel::elements(storage, layout)).transpose()?;
    };
}

pub(crate) use {by_element, by_real, optional_slice, slice};

/// `value` as contiguous elements of type `T`.
pub(crate) fn plain<T: WithDType>(value: &Value) -> Result<Value> {
    Ok(value.to_dtype(T::DTYPE)?.contiguous()?)
}

/// The elements of a contiguous value on the CPU.
pub(crate) fn elements<'a, T: WithDType>(storage: &'a Storage, layout: &Layout) -> Result<&'a [T]> {
    let fault = |fact: &str| Error::Device { operation: "kernel", fact: fact.to_owned() };
    let Storage::Cpu(cpu) = storage else {
        return Err(fault("a value of another device reached a kernel of the CPU"));
    };
    let (start, end) = layout.contiguous_offsets().ok_or_else(|| fault("the elements do not lie in order"))?;
    Ok(&cpu.as_slice::<T>()?[start..end])
}

/// Calls `work` with the elements in order (a copy where they don't lie so), which must be of type `T` on the CPU.
pub(crate) fn with_slice<T: WithDType, R>(value: &Value, work: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let value = value.contiguous()?;
    let (storage, layout) = value.storage_and_layout();
    work(elements(&storage, layout)?)
}

/// The value in a type that kernels take: half precision becomes f32.
pub(crate) fn widen(value: &Value) -> Result<Value> {
    use candle_core::DType::{BF16, F16, F32};
    Ok(if matches!(value.dtype(), BF16 | F16) { value.to_dtype(F32)? } else { value.clone() })
}

/// Runs a CPU kernel that takes values of f32 or f64 and gives one: widens bf16 and f16, fetches from other devices.
///
/// The first value says dtype and device of the result.
pub(crate) fn on_cpu(values: &[&Value], kernel: impl Fn(&[Value]) -> Result<Value>) -> Result<Value> {
    use candle_core::DType::{BF16, F16, F32};
    let (dtype, device) = (values[0].dtype(), values[0].device().clone());
    let prepared: Vec<Value> =
        values.iter().map(|value| widen(&value.to_device(&Device::Cpu)?)).collect::<Result<_>>()?;
    let result = kernel(&prepared)?;
    let narrow = matches!(dtype, BF16 | F16) && result.dtype() == F32;
    let result = if narrow { result.to_dtype(dtype)? } else { result };
    Ok(result.to_device(&device)?)
}

/// A value from elements on the CPU.
pub(crate) fn value_of<T: WithDType>(elements: Vec<T>, shape: &[usize]) -> Result<Value> {
    Ok(Value::from_vec(elements, shape, &Device::Cpu)?)
}

/// A value from elements of the computing type, converted to `dtype`.
pub(crate) fn value_as<T: Real>(elements: Vec<T>, shape: &[usize], dtype: candle_core::DType) -> Result<Value> {
    Ok(value_of(elements, shape)?.to_dtype(dtype)?)
}

/// `length` numbers whose values nobody may rely on: the caller writes each before it is read. Filling them first would
/// cost a pass over memory.
#[allow(clippy::uninit_vec, reason = "any bits are a number, and callers write before they read")]
pub(crate) fn unfilled<T: WithDType>(length: usize) -> Vec<T> {
    if cfg!(test) {
        // An element that was forgotten shows.
        return vec![T::from_f64(f64::NAN); length];
    }
    let mut elements = Vec::with_capacity(length);
    // SAFETY: the capacity is there, and numbers have no invalid bits and no destructor.
    unsafe { elements.set_len(length) };
    elements
}

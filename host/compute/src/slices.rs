//! Values on the CPU as plain slices, for kernels of our own.

use crate::{Error, Result, Value};

/// The two types that kernels are written for; half precision is computed in `f32`.
pub(crate) trait Real: candle_core::WithDType {
    /// From the double precision that coefficients are computed in.
    fn of(value: f64) -> Self {
        Self::from_f64(value)
    }

    /// The square root.
    fn root(self) -> Self;
}

impl Real for f32 {
    fn root(self) -> Self {
        self.sqrt()
    }
}

impl Real for f64 {
    fn root(self) -> Self {
        self.sqrt()
    }
}

/// Runs `work` on the elements of a value on the CPU, in row-major order.
///
/// # Errors
/// When the value is on another device or of another type.
pub(crate) fn with_slice<T: Real, R>(value: &Value, work: impl FnOnce(&[T]) -> R) -> Result<R> {
    let value = value.contiguous()?;
    let (storage, layout) = value.storage_and_layout();
    let candle_core::Storage::Cpu(cpu) = &*storage else {
        return Err(Error::Device {
            operation: "slice",
            fact: format!("{:?} is not the CPU", value.device().location()),
        });
    };
    let start = layout.start_offset();
    Ok(work(&cpu.as_slice::<T>()?[start..start + layout.shape().elem_count()]))
}

/// The value in a type that kernels take: half precision becomes `f32`.
pub(crate) fn widen(value: &Value) -> Result<Value> {
    Ok(match value.dtype() {
        candle_core::DType::BF16 | candle_core::DType::F16 => value.to_dtype(candle_core::DType::F32)?,
        _ => value.clone(),
    })
}

/// Runs an expression with `$T` naming the element type of a widened value.
macro_rules! by_real {
    ($operation:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $T = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            other => {
                Err($crate::Error::argument($operation, format!("{other:?} has no kernel; cast it to f32 or f64")))
            }
        }
    };
}
pub(crate) use by_real;

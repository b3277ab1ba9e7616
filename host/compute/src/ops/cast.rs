//! Conversions of dtype and device.

use crate::{DType, Device, Result, Tensor};

/// The same numbers in another dtype; the gradient is cast back. To bool: what is not 0 is true. From floats to integers: towards 0.
///
/// # Errors
/// When the device fails.
pub fn cast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype {
        return Ok(x.clone());
    }
    if dtype == DType::Bool {
        return super::ne_scalar(&x.stop_gradient(), 0.0);
    }
    let value = x.value().to_dtype(dtype.candle())?;
    if !dtype.is_float() || !x.dtype().is_float() {
        return Ok(Tensor::from_op_constant(value, false));
    }
    let from = x.dtype().candle();
    Ok(Tensor::from_op("cast", value, &[x], move |gradient, _| Ok(vec![Some(gradient.to_dtype(from)?)])))
}

/// The same tensor on another device; the gradient comes back to the first one.
///
/// # Errors
/// When the device fails.
pub fn to_device(x: &Tensor, device: &Device) -> Result<Tensor> {
    let (value, from) = (x.value().to_device(device)?, x.device().clone());
    Ok(Tensor::from_op("to_device", value, &[x], move |gradient, _| Ok(vec![Some(gradient.to_device(&from)?)])))
}

//! Tensors from plain memory and back.

use compute::{DType, Device, Tensor, Value};

use crate::error::{Error, Result};

/// A constant tensor of `dims` from bytes in native order; truth values are bytes 0 and 1.
///
/// # Errors
/// When the number of bytes does not fit, a truth value is neither 0 nor 1, or the device refuses.
pub fn tensor_from_bytes(dtype: DType, dims: &[usize], data: &[u8], device: &Device) -> Result<Tensor> {
    check_bytes(dtype, dims, data)?;
    let tensor = match dtype {
        DType::Bool | DType::U8 => return bytes_tensor(dtype, dims, data, device),
        DType::U32 => from_numbers(data, u32::from_ne_bytes, dims, device)?,
        DType::I64 => from_numbers(data, i64::from_ne_bytes, dims, device)?,
        DType::F32 => from_numbers(data, f32::from_ne_bytes, dims, device)?,
        DType::F64 => from_numbers(data, f64::from_ne_bytes, dims, device)?,
        _ => {
            let help = "make it as f32 and cast it";
            return Err(Error::new("tensor/dtype", format!("a tensor is not made from {dtype} memory")).with_help(help));
        }
    };
    Ok(tensor)
}

/// An error unless `data` holds exactly the elements of `dims`.
///
/// # Errors
/// See above; also when a truth value is neither 0 nor 1.
pub(super) fn check_bytes(dtype: DType, dims: &[usize], data: &[u8]) -> Result<()> {
    let elements = dims.iter().try_fold(1_usize, |product, dim| product.checked_mul(*dim));
    if elements.and_then(|elements| elements.checked_mul(dtype.size())) != Some(data.len()) {
        let text = format!("{} bytes do not fill {dtype} {dims:?}", data.len());
        return Err(Error::new("tensor/shape", text));
    }
    if dtype == DType::Bool
        && let Some(index) = data.iter().position(|byte| *byte > 1)
    {
        return Err(Error::new("tensor/argument", format!("truth value {index} is {}, not 0 or 1", data[index])));
    }
    Ok(())
}

fn bytes_tensor(dtype: DType, dims: &[usize], data: &[u8], device: &Device) -> Result<Tensor> {
    let value = Value::from_slice(data, dims, device).map_err(compute::Error::from)?;
    Ok(if dtype == DType::Bool { Tensor::truth(value) } else { Tensor::constant(value) })
}

fn from_numbers<T: Copy + candle_numbers::Number, const N: usize>(
    data: &[u8],
    read: fn([u8; N]) -> T,
    dims: &[usize],
    device: &Device,
) -> Result<Tensor> {
    let numbers: Vec<T> = data.as_chunks::<N>().0.iter().map(|bytes| read(*bytes)).collect();
    Ok(T::tensor(&numbers, dims, device)?)
}

/// Copies all elements, row by row, as `dtype` into `out`.
///
/// # Errors
/// When `out` has another length than the elements, or the device refuses.
pub(super) fn read_into(tensor: &Tensor, dtype: DType, out: &mut [u8]) -> Result<()> {
    if tensor.elements() * dtype.size() != out.len() {
        let text = format!("{} elements of {dtype} do not fill {} bytes", tensor.elements(), out.len());
        return Err(Error::new("tensor/shape", text));
    }
    let value = compute::ops::cast(&tensor.stop_gradient(), dtype)?;
    let value = value.value().flatten_all().map_err(compute::Error::from)?;
    macro_rules! copy {
        ($type:ty) => {{
            let numbers = value.to_vec1::<$type>().map_err(compute::Error::from)?;
            for (bytes, number) in out.chunks_exact_mut(size_of::<$type>()).zip(numbers) {
                bytes.copy_from_slice(&number.to_ne_bytes());
            }
        }};
    }
    match dtype {
        DType::Bool | DType::U8 => copy!(u8),
        DType::U32 => copy!(u32),
        DType::I64 => copy!(i64),
        DType::F32 => copy!(f32),
        DType::F64 => copy!(f64),
        _ => {
            return Err(
                Error::new("tensor/dtype", format!("{dtype} is not read as plain memory")).with_help("read it as f32")
            );
        }
    }
    Ok(())
}

mod candle_numbers {
    use compute::{Device, Result, Tensor};

    /// The numbers that tensors are made of, so that this crate need not name candle.
    pub(super) trait Number: Sized {
        fn tensor(data: &[Self], dims: &[usize], device: &Device) -> Result<Tensor>;
    }
    macro_rules! number {
        ($($type:ty)*) => {$(
            impl Number for $type {
                fn tensor(data: &[Self], dims: &[usize], device: &Device) -> Result<Tensor> {
                    Tensor::from_slice(data, dims, device)
                }
            }
        )*};
    }
    number!(u32 i64 f32 f64);
}

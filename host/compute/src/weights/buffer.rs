//! Buffers: state that no gradient reaches, such as running statistics, codebooks, counters, pruning masks.

use std::sync::{PoisonError, RwLock};

use crate::{DType, Error, Result, Tensor, Value};

/// How the values collected in a step change a buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum BufferUpdate {
    /// The buffer becomes their mean.
    Mean,
    /// Their sum is added to the buffer.
    Sum,
    /// The buffer keeps this share of itself (0 to 1) and takes the rest from their mean.
    Ema(f64),
}

/// A named value beside the weights, saved with them.
#[derive(Debug)]
pub struct Buffer {
    name: String,
    dtype: DType,
    shape: Vec<usize>,
    value: RwLock<Value>,
}

impl Buffer {
    pub(super) fn new(name: &str, dtype: DType, value: Value) -> Self {
        Self { name: name.to_owned(), dtype, shape: value.dims().to_vec(), value: RwLock::new(value) }
    }

    /// Its unique name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The lengths of its axes.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The type of its elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The value now. Later updates do not change what was handed out.
    #[must_use]
    pub fn value(&self) -> Value {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The value now, as a constant.
    #[must_use]
    pub fn tensor(&self) -> Tensor {
        Tensor::from_op_constant(self.value(), self.dtype == DType::Bool)
    }

    /// Replaces the value; another floating type is cast.
    ///
    /// # Errors
    /// When the shape differs.
    pub fn set_value(&self, value: &Value) -> Result<()> {
        if value.dims() != self.shape {
            let fact =
                format!("the buffer `{}` has shape {:?}, the new value {:?}", self.name, self.shape, value.dims());
            return Err(Error::shape("set_buffer", fact));
        }
        let value = value.to_dtype(self.dtype.candle())?;
        *self.value.write().unwrap_or_else(PoisonError::into_inner) = value;
        Ok(())
    }

    /// Changes the value by those collected in one step, summed in their order; none changes nothing.
    ///
    /// # Errors
    /// When a shape differs, or for a mean or running average of integers.
    pub fn update(&self, values: &[Value], how: BufferUpdate) -> Result<()> {
        let Some(first) = values.first() else { return Ok(()) };
        if !self.dtype.is_float() && how != BufferUpdate::Sum {
            return Err(Error::dtype("update_buffer", self.dtype).with_help("integers take `sum` or `set_value`"));
        }
        for value in values {
            if value.dims() != self.shape {
                let fact =
                    format!("the buffer `{}` has shape {:?}, an update {:?}", self.name, self.shape, value.dims());
                return Err(Error::shape("update_buffer", fact));
            }
        }
        let dtype = self.dtype.candle();
        let mut sum = first.to_dtype(dtype)?;
        for value in &values[1..] {
            sum = (sum + value.to_dtype(dtype)?)?;
        }
        let count = values.len() as f64;
        let mut slot = self.value.write().unwrap_or_else(PoisonError::into_inner);
        *slot = match how {
            BufferUpdate::Mean => (sum / count)?,
            BufferUpdate::Sum => (&*slot + sum)?,
            BufferUpdate::Ema(keep) => ((&*slot * keep)? + (sum * ((1.0 - keep) / count))?)?,
        };
        Ok(())
    }
}

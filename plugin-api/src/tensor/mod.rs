//! Tensors: handles on values that live with the host.
//!
//! Operations never fail by themselves. One that cannot be computed gives a *poisoned* tensor that remembers operation,
//! shapes and source line; whatever is computed from it is poisoned too, and the fault comes out once: at the next
//! [`Tensor::dims`], [`Tensor::item`], [`Tensor::to_vec`] or [`check`], or when the plugin's function returns.
//!
//! Names of arguments say the axes they stand for; `axis` counts from the back where it is negative. Nothing is cast
//! silently, except that comparisons take integers of different types.

mod compare;
mod create;
mod elementwise;
mod index;
mod losses;
mod network;
mod operators;
mod reduce;
mod shape;
mod spatial;

use std::fmt;
use std::panic::Location;

use lacuna_abi::{attribute as key, op};

pub use losses::{CrossEntropy, Ctc};
pub use network::{Activation, AttentionCall};
pub use spatial::{Conv, Pool};

use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::raw::{Attr, HostObject, Object, one, values};

/// A value of the host: numbers in rows and columns, on whatever device the run uses.
///
/// Cloning copies the handle, not the numbers.
#[derive(Clone)]
pub struct Tensor(Object);

/// What operations take: [`Tensor`], [`Weight`](crate::Weight), [`Buffer`](crate::Buffer), and references to them.
/// Sealed.
pub trait AsTensor: HostObject {}
impl AsTensor for Tensor {}
impl<T: AsTensor + ?Sized> AsTensor for &T {}

impl HostObject for Tensor {
    fn object(&self) -> &Object {
        &self.0
    }
}

/// An operation of one input.
pub(crate) fn unary(
    number: u32,
    x: &impl HostObject,
    attributes: &[Attr<'_>],
    at: &'static Location<'static>,
) -> Tensor {
    Tensor(one(number, &[Some(x.object())], attributes, at))
}

/// An operation of two inputs.
pub(crate) fn binary(
    number: u32,
    a: &impl HostObject,
    b: &impl HostObject,
    attributes: &[Attr<'_>],
    at: &'static Location<'static>,
) -> Tensor {
    Tensor(one(number, &[Some(a.object()), Some(b.object())], attributes, at))
}

/// Lengths or axes as the boundary writes them.
pub(crate) fn integers(values: &[usize]) -> Vec<i64> {
    // A length past i64 cannot be allocated; the host refuses the maximum by name.
    values.iter().map(|&value| i64::try_from(value).unwrap_or(i64::MAX)).collect()
}

/// A count as the boundary writes it.
pub(crate) fn integer(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Takes the first fault of this call out and returns it: after this the call goes on as if it had not happened.
///
/// Seldom needed; the host looks for faults whenever a function of the plugin returns.
///
/// # Errors
/// The first fault since the call began or since the last `check`.
pub fn check() -> Result<()> {
    values::check()
}

impl Tensor {
    pub(crate) fn from_object(object: Object) -> Self {
        Self(object)
    }

    pub(crate) fn object_of(self) -> Object {
        self.0
    }

    /// The lengths of the axes.
    ///
    /// # Errors
    /// When the tensor is poisoned.
    pub fn dims(&self) -> Result<Vec<usize>> {
        values::shape(&self.0)
    }

    /// The length of one axis; negative ones count from the back.
    ///
    /// # Errors
    /// When the tensor is poisoned or has no such axis.
    #[track_caller]
    pub fn dim(&self, axis: i64) -> Result<usize> {
        let dims = self.dims()?;
        let from_front = if axis < 0 { axis + dims.len() as i64 } else { axis };
        match usize::try_from(from_front).ok().and_then(|axis| dims.get(axis)) {
            Some(&length) => Ok(length),
            None => Err(Error::new("tensor/axis", format!("there is no axis {axis} in a tensor of shape {dims:?}"))),
        }
    }

    /// The number of axes.
    ///
    /// # Errors
    /// When the tensor is poisoned.
    pub fn rank(&self) -> Result<usize> {
        Ok(self.dims()?.len())
    }

    /// The number of elements.
    ///
    /// # Errors
    /// When the tensor is poisoned.
    pub fn count(&self) -> Result<usize> {
        Ok(self.dims()?.iter().product())
    }

    /// The type of the elements.
    ///
    /// # Errors
    /// When the tensor is poisoned.
    pub fn dtype(&self) -> Result<DType> {
        DType::from_number(values::dtype(&self.0)?)
    }

    /// The one element. Waits for the device: keep it out of the loss.
    ///
    /// # Errors
    /// When the tensor is poisoned or has more or fewer elements than one.
    #[track_caller]
    pub fn item(&self) -> Result<f64> {
        let dims = self.dims()?;
        if dims.iter().product::<usize>() != 1 {
            return Err(Error::new("tensor/shape", format!("`item` needs one element, the shape is {dims:?}"))
                .help("reduce it with `.sum()` or `.mean()`, or read all elements with `.to_vec()`"));
        }
        Ok(f64::read(&self.0, 1)?[0])
    }

    /// All elements, row by row, cast to `T`. Waits for the device: keep it out of the loss.
    ///
    /// # Errors
    /// When the tensor is poisoned.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        let count = self.count()?;
        T::read(&self.0, count)
    }

    /// The elements as another type; truth values become 0 and 1. Gradients flow between floating-point types.
    #[track_caller]
    #[must_use]
    pub fn cast(&self, dtype: DType) -> Self {
        unary(op::CAST, self, &[Attr::Integer(key::DTYPE, i64::from(dtype.number()))], Location::caller())
    }

    /// The same values; no gradient flows through.
    #[track_caller]
    #[must_use]
    pub fn stop_gradient(&self) -> Self {
        unary(op::STOP_GRADIENT, self, &[], Location::caller())
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No question to the host: asking a poisoned tensor would take its fault.
        f.write_str("Tensor(…)")
    }
}

//! A tensor: a value on a device, and the way its gradient goes back.

use std::fmt;
use std::sync::Arc;

use crate::tape::{BackwardFn, Leaf, Link, Node};
use crate::{Error, Result, mode};

/// The value type below: candle's tensor, used without its own gradients.
pub type Value = candle_core::Tensor;
/// Where values live.
pub type Device = candle_core::Device;

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// True or false; kept as one byte, 1 or 0.
    Bool,
    /// Unsigned byte.
    U8,
    /// Unsigned 32-bit integer: token ids, indices.
    U32,
    /// Signed 64-bit integer.
    I64,
    /// Brain floating point: 8 bits of exponent.
    BF16,
    /// Half precision: storage and inference.
    F16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl DType {
    /// Whether it is a floating-point type.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::BF16 | Self::F16 | Self::F32 | Self::F64)
    }

    /// Bytes of one element.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 => 1,
            Self::BF16 | Self::F16 => 2,
            Self::U32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// candle's name for it.
    #[must_use]
    pub fn candle(self) -> candle_core::DType {
        match self {
            Self::Bool | Self::U8 => candle_core::DType::U8,
            Self::U32 => candle_core::DType::U32,
            Self::I64 => candle_core::DType::I64,
            Self::BF16 => candle_core::DType::BF16,
            Self::F16 => candle_core::DType::F16,
            Self::F32 => candle_core::DType::F32,
            Self::F64 => candle_core::DType::F64,
        }
    }

    fn of(dtype: candle_core::DType) -> Option<Self> {
        Some(match dtype {
            candle_core::DType::U8 => Self::U8,
            candle_core::DType::U32 => Self::U32,
            candle_core::DType::I64 => Self::I64,
            candle_core::DType::BF16 => Self::BF16,
            candle_core::DType::F16 => Self::F16,
            candle_core::DType::F32 => Self::F32,
            candle_core::DType::F64 => Self::F64,
            _ => return None,
        })
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::U8 => "u8",
            Self::U32 => "u32",
            Self::I64 => "i64",
            Self::BF16 => "bf16",
            Self::F16 => "f16",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// A tensor. Cloning shares it; values never change once made.
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

struct Inner {
    value: Value,
    /// The value is bytes of truth values.
    is_bool: bool,
    /// Where a gradient of this tensor goes; `None` for constants.
    link: Option<Link>,
}

impl Tensor {
    /// A constant: no gradient goes through it.
    #[must_use]
    pub fn constant(value: Value) -> Self {
        Self(Arc::new(Inner { value, is_bool: false, link: None }))
    }

    /// A constant of truth values from bytes 0 and 1.
    #[must_use]
    pub fn truth(value: Value) -> Self {
        Self(Arc::new(Inner { value, is_bool: true, link: None }))
    }

    /// A constant from a slice.
    ///
    /// # Errors
    /// When the number of elements is not that of `shape`.
    pub fn from_slice<T: candle_core::WithDType>(data: &[T], shape: &[usize], device: &Device) -> Result<Self> {
        if data.len() != shape.iter().product::<usize>() {
            return Err(Error::shape("from_slice", format!("{} elements do not fill {shape:?}", data.len())));
        }
        Ok(Self::constant(Value::from_slice(data, shape, device)?))
    }

    /// A leaf: gradients of it are collected by [`crate::backward`] under `leaf`'s id.
    #[must_use]
    pub fn leaf(value: Value, leaf: &Arc<Leaf>) -> Self {
        Self(Arc::new(Inner { value, is_bool: false, link: Some(Link::Leaf(leaf.clone(), leaf.version())) }))
    }

    /// The result of an operation with one output.
    ///
    /// `backward` gets the gradient of the result and, for each input, whether its gradient is needed; it returns one
    /// gradient (of the input's shape and dtype) or `None` for each input. It must hold values only, never tensors with
    /// a gradient of their own. It is dropped unused when no input needs a gradient or gradients are off.
    #[must_use]
    pub fn from_op(
        name: &'static str,
        value: Value,
        inputs: &[&Tensor],
        backward: impl Fn(&Value, &[bool]) -> Result<Vec<Option<Value>>> + Send + Sync + 'static,
    ) -> Self {
        let is_bool = value.dtype() == candle_core::DType::U8 && inputs.first().is_some_and(|input| input.0.is_bool);
        let link = needs_tape(inputs).then(|| {
            let backward: BackwardFn = Box::new(move |gradients, needs| match &gradients[0] {
                Some(gradient) => backward(gradient, needs),
                None => Ok(vec![None; needs.len()]),
            });
            Link::Node(Node::new(name, inputs.iter().map(|input| input.0.link.clone()).collect(), 1, backward), 0)
        });
        Self(Arc::new(Inner { value, is_bool, link }))
    }

    /// The results of an operation with several outputs; `backward` gets one gradient or `None` for each output.
    #[must_use]
    pub fn from_op_many(
        name: &'static str,
        values: Vec<Value>,
        inputs: &[&Tensor],
        backward: impl Fn(&[Option<Value>], &[bool]) -> Result<Vec<Option<Value>>> + Send + Sync + 'static,
    ) -> Vec<Self> {
        let node = needs_tape(inputs).then(|| {
            let links = inputs.iter().map(|input| input.0.link.clone()).collect();
            Node::new(name, links, values.len(), Box::new(backward))
        });
        values
            .into_iter()
            .enumerate()
            .map(|(index, value)| {
                // Integer outputs (indices) are constants.
                let float = DType::of(value.dtype()).is_some_and(DType::is_float);
                let link = node.as_ref().filter(|_| float).map(|node| Link::Node(node.clone(), index));
                Self(Arc::new(Inner { value, is_bool: false, link }))
            })
            .collect()
    }

    /// The result of an operation that has no gradient (comparisons, rounding, indices).
    #[must_use]
    pub fn from_op_constant(value: Value, is_bool: bool) -> Self {
        Self(Arc::new(Inner { value, is_bool, link: None }))
    }

    /// The result of an operation without a backward: an error when a gradient would have to pass it.
    ///
    /// # Errors
    /// When an input needs a gradient and gradients are on.
    pub fn from_op_without_backward(name: &'static str, value: Value, inputs: &[&Tensor]) -> Result<Self> {
        if needs_tape(inputs) {
            return Err(Error::gradient(name, "has no gradient, but its input needs one")
                .with_help("use `stop_gradient` on the input, or another operation"));
        }
        Ok(Self::constant(value))
    }

    /// The one number that the tensor holds. Waits for the device.
    ///
    /// # Errors
    /// When it holds more than one, or none.
    pub fn item(&self) -> Result<f64> {
        if self.elements() != 1 {
            return Err(Error::shape("item", format!("{:?} is not one number", self.dims()))
                .with_help("sum it, or take its mean"));
        }
        Ok(self.value().flatten_all()?.to_dtype(candle_core::DType::F64)?.get(0)?.to_scalar()?)
    }

    /// All elements, row by row, as `u32`. Waits for the device.
    ///
    /// # Errors
    /// When the tensor is not of an integer type.
    pub fn to_ids(&self) -> Result<Vec<u32>> {
        if self.dtype().is_float() {
            return Err(Error::dtype("to_ids", self.dtype()));
        }
        Ok(self.value().flatten_all()?.to_dtype(candle_core::DType::U32)?.to_vec1()?)
    }

    /// The value itself.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0.value
    }

    /// The lengths of the axes.
    #[must_use]
    pub fn dims(&self) -> &[usize] {
        self.0.value.dims()
    }

    /// The number of axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.dims().len()
    }

    /// The number of elements.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.0.value.elem_count()
    }

    /// The type of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        if self.0.is_bool { DType::Bool } else { DType::of(self.0.value.dtype()).unwrap_or(DType::U8) }
    }

    /// Where the value lives.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.0.value.device()
    }

    /// Whether a gradient goes back through this tensor.
    #[must_use]
    pub fn needs_gradient(&self) -> bool {
        self.0.link.is_some()
    }

    /// The same value as a constant.
    #[must_use]
    pub fn stop_gradient(&self) -> Self {
        if self.0.link.is_none() {
            return self.clone();
        }
        Self(Arc::new(Inner { value: self.0.value.clone(), is_bool: self.0.is_bool, link: None }))
    }

    pub(crate) fn link(&self) -> Option<&Link> {
        self.0.link.as_ref()
    }
}

fn needs_tape(inputs: &[&Tensor]) -> bool {
    mode::gradients_on() && inputs.iter().any(|input| input.0.link.is_some())
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Tensor({} {:?}{})",
            self.dtype(),
            self.dims(),
            if self.needs_gradient() { ", with gradient" } else { "" }
        )
    }
}

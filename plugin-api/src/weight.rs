//! Weights and buffers: slots that the host resolves each time they are used.
//!
//! A weight goes wherever an operation takes a tensor. What the operation then sees is the host's business: the trained
//! value, its moving average, a low-rank or masked view, a packed or compressed form.

use std::panic::Location;

use lacuna_abi::{init, op};

use crate::dtype::DType;
use crate::error::Result;
use crate::raw::{HostObject, Object, values, weights};
use crate::tensor::{AsTensor, Tensor, unary};

/// How a weight or buffer starts.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// 0.
    Zeros,
    /// 1.
    Ones,
    /// One value.
    Constant(f64),
    /// Normal with this standard deviation.
    Normal(f64),
    /// Normal with this standard deviation, cut at two of them.
    TruncatedNormal(f64),
    /// Uniform between minus and plus this.
    Uniform(f64),
    /// Uniform (Glorot and Bengio 2010).
    XavierUniform,
    /// Normal (Glorot and Bengio 2010).
    XavierNormal,
    /// Uniform, for the number of inputs (He et al. 2015, arXiv:1502.01852).
    KaimingUniform,
}

impl Init {
    pub(crate) fn numbers(self) -> (u32, f64) {
        match self {
            Self::Zeros => (init::ZEROS, 0.0),
            Self::Ones => (init::ONES, 0.0),
            Self::Constant(value) => (init::CONSTANT, value),
            Self::Normal(deviation) => (init::NORMAL, deviation),
            Self::TruncatedNormal(deviation) => (init::TRUNCATED_NORMAL, deviation),
            Self::Uniform(bound) => (init::UNIFORM, bound),
            Self::XavierUniform => (init::XAVIER_UNIFORM, 0.0),
            Self::XavierNormal => (init::XAVIER_NORMAL, 0.0),
            Self::KaimingUniform => (init::KAIMING_UNIFORM, 0.0),
        }
    }
}

/// What is particular about a weight.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct WeightOptions {
    pub(crate) decay: Option<bool>,
    pub(crate) sometimes: bool,
    pub(crate) frozen: bool,
    pub(crate) axes: String,
}

impl WeightOptions {
    /// An ordinary weight: decayed if it has two axes or more, trained in every step.
    pub fn new() -> Self {
        Self::default()
    }

    /// Weight decay does not apply, whatever the number of axes.
    pub fn no_decay(mut self) -> Self {
        self.decay = Some(false);
        self
    }

    /// Weight decay applies, whatever the number of axes.
    pub fn decay(mut self) -> Self {
        self.decay = Some(true);
        self
    }

    /// It may go without a gradient for long: an expert, an absent modality. Others stop the run then.
    pub fn sometimes(mut self) -> Self {
        self.sometimes = true;
        self
    }

    /// It is never trained.
    pub fn frozen(mut self) -> Self {
        self.frozen = true;
        self
    }

    /// Names its axes, separated by commas: `ffn,width`. Pruning, widening and tensor-wise optimizers go by them.
    pub fn axes(mut self, axes: impl Into<String>) -> Self {
        self.axes = axes.into();
        self
    }
}

/// A trained tensor of the host's, by its slot.
#[derive(Clone)]
pub struct Weight(Object);

impl HostObject for Weight {
    fn object(&self) -> &Object {
        &self.0
    }
}
impl AsTensor for Weight {}

impl Weight {
    pub(crate) fn from_object(object: Object) -> Self {
        Self(object)
    }

    /// Its value as this call sees it, with gradients.
    #[track_caller]
    #[must_use]
    pub fn tensor(&self) -> Tensor {
        unary(op::MATERIALISE, self, &[], Location::caller())
    }

    /// The lengths of its axes.
    ///
    /// # Errors
    /// When the host does not know the slot any more.
    pub fn dims(&self) -> Result<Vec<usize>> {
        values::shape(&self.0)
    }

    /// Shows this weight as another one: one slot, one value, one gradient.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn tie(&self, to: &Weight) -> Result<()> {
        weights::view(&self.0, 0, &[&to.0], 0.0)
    }

    /// Shows it as its value without gradient plus `delta`: only `delta` learns.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn add_delta(&self, delta: &Weight) -> Result<()> {
        weights::view(&self.0, 1, &[&delta.0], 0.0)
    }

    /// Makes it the trained difference to `base`, which gets no gradient from here: what is seen is `base` without gradient
    /// plus its own value, and that begins at zero (He et al. 2021, arXiv:2111.09543, section 3.3).
    ///
    /// # Errors
    /// When the shapes differ, or `base` depends on this weight.
    pub fn delta_of(&self, base: &Weight) -> Result<()> {
        weights::view(&self.0, 4, &[&base.0], 0.0)
    }

    /// Shows it as its value plus `scale` · up `[out, r]` · down `[r, in]` (Hu et al. 2021, arXiv:2106.09685).
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn add_low_rank(&self, down: &Weight, up: &Weight, scale: f64) -> Result<()> {
        weights::view(&self.0, 2, &[&down.0, &up.0], scale)
    }

    /// Shows it multiplied by a buffer of zeros and ones.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn mask(&self, kept: &Buffer) -> Result<()> {
        weights::view(&self.0, 3, &[&kept.0], 0.0)
    }
}

/// State without a gradient that is saved with the checkpoint.
#[derive(Clone)]
pub struct Buffer(Object);

impl HostObject for Buffer {
    fn object(&self) -> &Object {
        &self.0
    }
}
impl AsTensor for Buffer {}

impl Buffer {
    pub(crate) fn from_object(object: Object) -> Self {
        Self(object)
    }

    /// Its value, a constant.
    #[track_caller]
    #[must_use]
    pub fn tensor(&self) -> Tensor {
        unary(op::MATERIALISE, self, &[], Location::caller())
    }

    /// The lengths of its axes.
    ///
    /// # Errors
    /// When the host does not know the slot any more.
    pub fn dims(&self) -> Result<Vec<usize>> {
        values::shape(&self.0)
    }

    /// The type of its elements.
    ///
    /// # Errors
    /// When the host does not know the slot any more.
    pub fn dtype(&self) -> Result<DType> {
        DType::from_number(values::dtype(&self.0)?)
    }

    /// After the step it is `value`.
    ///
    /// # Errors
    /// When the shape differs or the value is poisoned.
    pub fn set(&self, value: &Tensor) -> Result<()> {
        weights::update(&self.0, value.object(), 0, 0.0)
    }

    /// After the step it is the mean of the values of all micro-batches.
    ///
    /// # Errors
    /// As [`Buffer::set`].
    pub fn set_mean(&self, value: &Tensor) -> Result<()> {
        weights::update(&self.0, value.object(), 1, 0.0)
    }

    /// After the step the values of all micro-batches are added to it.
    ///
    /// # Errors
    /// As [`Buffer::set`].
    pub fn add(&self, value: &Tensor) -> Result<()> {
        weights::update(&self.0, value.object(), 2, 0.0)
    }

    /// After the step it is `momentum` · itself + (1 − `momentum`) · the mean of the values.
    ///
    /// # Errors
    /// As [`Buffer::set`].
    pub fn average(&self, value: &Tensor, momentum: f64) -> Result<()> {
        weights::update(&self.0, value.object(), 3, momentum)
    }
}

//! The inputs of an operation, read by kind: weights and buffers resolved under the current call.

use std::marker::PhantomData;

use compute::layout::Layout;
use compute::mask::Mask;
use compute::weights::Resolve;
use compute::{Device, Tensor};
use lacuna_abi::{Handle, attribute};
use philox::Key;

use super::Stop;
use super::attributes::Attributes;
use crate::boundary::frame::Frame;
use crate::boundary::object::{self, Content, Object, TensorState};
use crate::boundary::state::State;
use crate::error::Error;

/// Inputs and attributes of one operation.
pub(super) struct Arguments<'a> {
    operation: &'static str,
    inputs: &'a [Handle],
    pub(super) attributes: Attributes<'a>,
    frame: &'a Frame,
    life: PhantomData<&'a Object>,
}

impl<'a> Arguments<'a> {
    /// # Safety
    /// All handles must be null or alive for `'a`.
    pub(super) unsafe fn new(
        operation: &'static str,
        inputs: &'a [Handle],
        attributes: Attributes<'a>,
        frame: &'a Frame,
    ) -> Self {
        Self { operation, inputs, attributes, frame, life: PhantomData }
    }

    fn maybe(&self, index: usize) -> Option<&'a Object> {
        // SAFETY: alive by the promise of `new`.
        self.inputs.get(index).and_then(|handle| unsafe { object::borrow(*handle) })
    }

    fn missing(&self, index: usize) -> Stop {
        let text = format!("{}: input {} of {} is null", self.operation, index + 1, self.inputs.len());
        Error::new("tensor/null", text).into()
    }

    fn other(&self, index: usize, wanted: &str, object: &Object) -> Stop {
        if let Content::Tensor(TensorState::Poisoned(fault)) = object.content() {
            return Stop::Poisoned(fault.clone());
        }
        let text = format!("{}: input {} is a {}, not a {wanted}", self.operation, index + 1, object.kind_name());
        Error::new("tensor/kind", text).into()
    }

    fn resolved(&self, index: usize, object: &Object) -> Result<Tensor, Stop> {
        match object.content() {
            Content::Tensor(TensorState::Ready(tensor)) => Ok(tensor.clone()),
            Content::Weight(weight) => Ok(weight.resolve(&self.frame.call().options().resolve)?),
            Content::Buffer(buffer) => Ok(buffer.tensor()),
            _ => Err(self.other(index, "tensor", object)),
        }
    }

    pub(super) fn tensor(&self, index: usize) -> Result<Tensor, Stop> {
        self.resolved(index, self.maybe(index).ok_or_else(|| self.missing(index))?)
    }

    /// The weight of a linear layer, in the type that the call reads those in.
    pub(super) fn weight_of_product(&self, index: usize) -> Result<Tensor, Stop> {
        let options = self.frame.call().options();
        match (self.maybe(index).map(Object::content), options.products) {
            (Some(Content::Weight(weight)), Some(precision)) => {
                Ok(weight.resolve(&Resolve { precision, ..options.resolve })?)
            }
            _ => self.tensor(index),
        }
    }

    pub(super) fn state(&self, index: usize) -> Result<&'a State, Stop> {
        let object = self.maybe(index).ok_or_else(|| self.missing(index))?;
        match object.content() {
            Content::State(state) => Ok(state),
            _ => Err(self.other(index, "state", object)),
        }
    }

    pub(super) fn maybe_tensor(&self, index: usize) -> Result<Option<Tensor>, Stop> {
        self.maybe(index).map(|object| self.resolved(index, object)).transpose()
    }

    pub(super) fn tensors(&self) -> Result<Vec<Tensor>, Stop> {
        (0..self.inputs.len()).map(|index| self.tensor(index)).collect()
    }

    pub(super) fn maybe_layout(&self, index: usize) -> Result<Option<&'a Layout>, Stop> {
        let Some(object) = self.maybe(index) else { return Ok(None) };
        match object.content() {
            Content::Layout(layout) => Ok(Some(layout)),
            _ => Err(self.other(index, "layout", object)),
        }
    }

    pub(super) fn layout(&self, index: usize) -> Result<&'a Layout, Stop> {
        self.maybe_layout(index)?.ok_or_else(|| self.missing(index))
    }

    pub(super) fn maybe_mask(&self, index: usize) -> Result<Option<&'a Mask>, Stop> {
        let Some(object) = self.maybe(index) else { return Ok(None) };
        match object.content() {
            Content::Mask(mask) => Ok(Some(mask)),
            _ => Err(self.other(index, "mask", object)),
        }
    }

    /// Whether input `index` is a mask.
    pub(super) fn is_mask(&self, index: usize) -> bool {
        self.maybe(index).is_some_and(|object| matches!(object.content(), Content::Mask(_)))
    }

    /// Whether this is training.
    pub(super) fn training(&self) -> bool {
        self.frame.call().options().training
    }

    /// Where new tensors go.
    pub(super) fn device(&self) -> &'a Device {
        &self.frame.call().options().device
    }

    /// The key of this draw: the stream of attribute `stream` (the operation's name where absent) in the running role.
    ///
    /// Without a layout the micro-batch tells draws apart that its row keys would.
    pub(super) fn key(&self, layout: Option<&Layout>) -> Result<Key, Stop> {
        let stream = self.attributes.maybe_text(attribute::STREAM)?.unwrap_or(self.operation);
        let call = self.frame.call();
        let key = call.next_key(&self.frame.callee().role, stream);
        Ok(if layout.is_some() { key } else { key.at(call.options().micro_batch) })
    }

    /// Numbers from 0 of an integer tensor of rank 1.
    pub(super) fn sizes(&self, index: usize) -> Result<Vec<usize>, Stop> {
        let tensor = self.tensor(index)?;
        if tensor.rank() != 1 || tensor.dtype().is_float() {
            let text = format!("{}: input {} is {} {:?}", self.operation, index + 1, tensor.dtype(), tensor.dims());
            return Err(Error::new("tensor/shape", text).with_help("give whole numbers in one axis").into());
        }
        let numbers =
            compute::ops::cast(&tensor, compute::DType::I64)?.value().to_vec1::<i64>().map_err(compute::Error::from)?;
        let size = |number: i64| {
            usize::try_from(number).map_err(|_| {
                Error::new(
                    "tensor/argument",
                    format!("{}: input {} holds {number}, below 0", self.operation, index + 1),
                )
                .into()
            })
        };
        numbers.into_iter().map(size).collect()
    }
}

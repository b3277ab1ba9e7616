//! Models, heads and vocabularies at the boundary.

use std::ops::Range;

use lacuna_abi::{Bytes, Handle, ModelCall};

use super::borrow::content;
use super::errors::checked;
use super::host::host;
use super::object::Object;
use super::values::handles;
use crate::error::Result;

/// Past the last layer: all of them.
pub(crate) const ALL_LAYERS: u32 = u32::MAX;

/// A handle that a function of the host writes.
fn written(call: impl FnOnce(*mut Handle) -> Handle) -> Result<Object> {
    let mut made = Handle::NULL;
    let error = call(&raw mut made);
    let made = Object::owned(made);
    checked(error).map(|()| made)
}

pub(crate) fn role(scope: &Object, role: &str) -> Result<Object> {
    // SAFETY: the scope is held; texts and result outlive the call.
    written(|made| unsafe { (host().models.role)(scope.handle(), Bytes::text(role), made) })
}

pub(crate) fn head(scope: &Object, model: &Object, kind: &str, size: u64) -> Result<Object> {
    // SAFETY: as in `role`.
    written(|made| unsafe { (host().models.head)(scope.handle(), model.handle(), Bytes::text(kind), size, made) })
}

pub(crate) fn apply(head: &Object, hidden: &Object) -> Result<Object> {
    // SAFETY: as in `role`.
    written(|made| unsafe { (host().models.apply)(head.handle(), hidden.handle(), made) })
}

pub(crate) fn describe(model: &Object) -> Result<String> {
    // SAFETY: as in `role`.
    content(&written(|made| unsafe { (host().models.describe)(model.handle(), made) })?)
}

pub(crate) fn vocabulary(scope: &Object, modality: &str) -> Result<String> {
    // SAFETY: as in `role`.
    content(&written(|made| unsafe { (host().models.vocabulary)(scope.handle(), Bytes::text(modality), made) })?)
}

/// A forward pass of an inner model.
pub(crate) struct PassRequest<'a> {
    pub(crate) workflow: &'a str,
    pub(crate) inputs: &'a Object,
    pub(crate) layout: &'a Object,
    pub(crate) masks: &'a [&'a Object],
    pub(crate) layers: Option<Range<usize>>,
    pub(crate) wanted: &'a [&'a str],
    pub(crate) outputs: &'a Object,
}

pub(crate) fn forward(model: &Object, request: &PassRequest<'_>) -> Result<()> {
    let masks = handles(request.masks);
    let wanted: Vec<Bytes> = request.wanted.iter().map(|name| Bytes::text(name)).collect();
    let layer = |layer: usize| u32::try_from(layer).unwrap_or(ALL_LAYERS);
    let (first_layer, last_layer) =
        request.layers.as_ref().map_or((0, ALL_LAYERS), |layers| (layer(layers.start), layer(layers.end)));
    let call = ModelCall {
        workflow: Bytes::text(request.workflow),
        inputs: request.inputs.handle(),
        layout: request.layout.handle(),
        masks: masks.as_ptr(),
        masks_len: masks.len(),
        first_layer,
        last_layer,
        wanted: wanted.as_ptr(),
        wanted_len: wanted.len(),
        outputs: request.outputs.handle(),
    };
    // SAFETY: every handle is held and every list outlives the call.
    checked(unsafe { (host().models.forward)(model.handle(), &raw const call) })
}

pub(crate) fn site(name: &str, tensor: &Object) -> Object {
    // SAFETY: the tensor is held, the name outlives the call; the handle is ours.
    Object::owned(unsafe { (host().models.site)(Bytes::text(name), tensor.handle()) })
}

pub(crate) fn listening(name: &str) -> bool {
    // SAFETY: the name outlives the call.
    unsafe { (host().models.listening)(Bytes::text(name)) != 0 }
}

pub(crate) fn auxiliary(name: &str, weight: f64, sum: &Object, count: &Object) -> Result<()> {
    // SAFETY: both handles are held, the name outlives the call.
    checked(unsafe { (host().models.auxiliary)(Bytes::text(name), weight, sum.handle(), count.handle()) })
}

pub(crate) fn weight(model: &Object, name: &str) -> Result<Object> {
    // SAFETY: as in `role`.
    written(|made| unsafe { (host().models.weight)(model.handle(), Bytes::text(name), made) })
}

pub(crate) fn training() -> bool {
    // SAFETY: no arguments.
    unsafe { (host().models.training)() != 0 }
}

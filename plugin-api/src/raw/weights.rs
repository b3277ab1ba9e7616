//! Weights, buffers and scopes at the boundary.

use lacuna_abi::{Bytes, Handle, WeightRequest};

use super::errors::checked;
use super::host::host;
use super::object::Object;
use super::values::handles;
use crate::dtype::DType;
use crate::error::Result;
use crate::weight::{Init, WeightOptions};

/// A weight, or a buffer, below a scope.
pub(crate) fn request(
    scope: &Object,
    name: &str,
    dims: &[usize],
    init: Init,
    dtype: DType,
    options: &WeightOptions,
    buffer: bool,
) -> Result<Object> {
    let (init, a) = init.numbers();
    let request = WeightRequest {
        name: Bytes::text(name),
        dims: dims.as_ptr(),
        rank: dims.len(),
        init,
        a,
        dtype: dtype.number(),
        decay: u32::from(options.decay.unwrap_or(dims.len() > 1)),
        sometimes: u32::from(options.sometimes),
        frozen: u32::from(options.frozen),
        axes: Bytes::text(&options.axes),
    };
    let tables = host().weights;
    let make = if buffer { tables.buffer } else { tables.weight };
    let mut made = Handle::NULL;
    // SAFETY: the request, what it points to and `made` outlive the call.
    let error = unsafe { make(scope.handle(), &raw const request, &raw mut made) };
    let made = Object::owned(made);
    checked(error).map(|()| made)
}

/// The scope `name` below `scope`.
pub(crate) fn inner_scope(scope: &Object, name: &str) -> Result<Object> {
    let mut inner = Handle::NULL;
    // SAFETY: the name and `inner` outlive the call.
    let error = unsafe { (host().weights.scope)(scope.handle(), Bytes::text(name), &raw mut inner) };
    let inner = Object::owned(inner);
    checked(error).map(|()| inner)
}

/// A change of a buffer after the step.
pub(crate) fn update(buffer: &Object, value: &Object, how: u32, momentum: f64) -> Result<()> {
    // SAFETY: both handles are held.
    checked(unsafe { (host().weights.update)(buffer.handle(), value.handle(), how, momentum) })
}

/// A view on a weight.
pub(crate) fn view(weight: &Object, kind: u32, parts: &[&Object], a: f64) -> Result<()> {
    let parts = handles(parts);
    // SAFETY: all handles are held, the list outlives the call.
    checked(unsafe { (host().weights.view)(weight.handle(), kind, parts.as_ptr(), parts.len(), a) })
}

/// The gradient of a weight.
pub(crate) fn gradient(access: &Object, weight: &Object) -> Result<Option<Object>> {
    let mut gradient = Handle::NULL;
    // SAFETY: both handles are held, `gradient` outlives the call.
    let error = unsafe { (host().weights.gradient)(access.handle(), weight.handle(), &raw mut gradient) };
    let gradient = Object::owned_or_none(gradient);
    checked(error).map(|()| gradient)
}

/// Replaces the gradient of a weight.
pub(crate) fn set_gradient(access: &Object, weight: &Object, gradient: &Object) -> Result<()> {
    // SAFETY: all handles are held.
    checked(unsafe { (host().weights.set_gradient)(access.handle(), weight.handle(), gradient.handle()) })
}

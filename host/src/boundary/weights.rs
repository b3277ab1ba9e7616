//! `lacuna.weights/0`: weights and buffers as slots.

use std::sync::Arc;

use compute::weights::{Init, View, Weight, WeightOptions};
use lacuna_abi::{Bytes, Handle, WeightRequest, Weights, init};

use super::call::{BufferUpdate, Thread, UpdateRule};
use super::gradients::GradientAccess;
use super::object::{Content, Object};
use super::scope::Scope;
use super::{frame, guard};
use crate::error::{Error, Result};

pub(super) static TABLE: Weights = Weights { weight, buffer, scope, update, view, gradient, set_gradient };

pub(super) fn scope_of(object: &Object) -> Result<&Scope> {
    match object.content() {
        Content::Scope(scope) => Ok(scope),
        _ => Err(guard::wrong_kind("the scope", "scope", object)),
    }
}

fn initial(request: &WeightRequest) -> Result<Init> {
    let a = request.a;
    Ok(match request.init {
        init::ZEROS => Init::Zeros,
        init::ONES => Init::Ones,
        init::CONSTANT => Init::Constant(a),
        init::NORMAL => Init::Normal { std: a },
        init::TRUNCATED_NORMAL => Init::TruncatedNormal { std: a },
        init::UNIFORM => Init::Uniform { bound: a },
        init::XAVIER_UNIFORM => Init::XavierUniform,
        init::XAVIER_NORMAL => Init::XavierNormal,
        init::KAIMING_UNIFORM => Init::KaimingUniform,
        other => return Err(Error::new("plugin/init", format!("initialisation {other} is not known to this host"))),
    })
}

/// A request with its texts and shape borrowed.
struct Request<'a> {
    scope: &'a Scope,
    name: String,
    shape: &'a [usize],
    axes: &'a str,
    init: Init,
    raw: &'a WeightRequest,
}

/// # Safety
/// The handle and all that the request points to must be lent for `'a`.
unsafe fn request<'a>(scope: Handle, request: *const WeightRequest, what: &str) -> Result<Request<'a>> {
    // SAFETY: by the caller's promise.
    let (scope, raw) = unsafe { (guard::object("the scope", scope)?, guard::value("the request", request)?) };
    // SAFETY: as above.
    let (name, axes) =
        unsafe { (guard::text("the name of a weight", raw.name)?, guard::text("the axes of a weight", raw.axes)?) };
    // SAFETY: as above.
    let shape = unsafe { guard::slice("the shape", raw.dims, raw.rank)? };
    let scope = scope_of(scope)?;
    if name.is_empty() {
        return Err(Error::new("plugin/name", format!("a {what} of {} has an empty name", scope.asker())));
    }
    scope.check_open(&format!("the {what} `{name}`"))?;
    scope.check_makes(&format!("a {what} `{name}`"))?;
    Ok(Request { scope, name: scope.name(name), shape, axes, init: initial(raw)?, raw })
}

unsafe extern "C" fn weight(scope: Handle, wanted: *const WeightRequest, out: *mut Handle) -> Handle {
    // SAFETY: the plugin lends handle and request for this call and gives a place for the result.
    unsafe {
        guard::answer_into(out, || {
            let request = request(scope, wanted, "weight")?;
            let options = WeightOptions {
                axes: request
                    .axes
                    .split(',')
                    .map(str::trim)
                    .filter(|axis| !axis.is_empty())
                    .map(str::to_owned)
                    .collect(),
                trainable: request.raw.frozen == 0,
                sometimes: request.raw.sometimes != 0,
                decay: request.raw.decay != 0,
            };
            let weights = &request.scope.context().weights;
            let weight = weights.create(&request.name, request.shape, request.init, options)?;
            Ok(Some(Object::new(Content::Weight(weight))))
        })
    }
}

unsafe extern "C" fn buffer(scope: Handle, wanted: *const WeightRequest, out: *mut Handle) -> Handle {
    // SAFETY: as in `weight`.
    unsafe {
        guard::answer_into(out, || {
            let request = request(scope, wanted, "buffer")?;
            let dtype = guard::dtype(request.raw.dtype)?;
            let weights = &request.scope.context().weights;
            let buffer = weights.create_buffer(&request.name, request.shape, dtype, request.init)?;
            Ok(Some(Object::new(Content::Buffer(buffer))))
        })
    }
}

unsafe extern "C" fn scope(outer: Handle, name: Bytes, inner: *mut Handle) -> Handle {
    // SAFETY: the plugin lends handle and text for this call and gives a place for the result.
    unsafe {
        guard::answer_into(inner, || {
            let outer = scope_of(guard::object("the scope", outer)?)?;
            let name = guard::text("the name of a scope", name)?;
            Ok(Some(Object::new(Content::Scope(outer.at(name)))))
        })
    }
}

unsafe extern "C" fn update(buffer: Handle, value: Handle, how: u32, momentum: f64) -> Handle {
    guard::answer(|| {
        // SAFETY: handles are lent for this call.
        let (buffer, value) = unsafe { (guard::object("the buffer", buffer)?, guard::object("the value", value)?) };
        let buffer = guard::buffer("the buffer", buffer)?.clone();
        let value = guard::tensor("the value", value)?.stop_gradient();
        let rule = match how {
            0 => UpdateRule::Set,
            1 => UpdateRule::Mean,
            2 => UpdateRule::Sum,
            3 => UpdateRule::MovingAverage(momentum),
            other => return Err(Error::new("plugin/update", format!("a buffer is not updated by rule {other}"))),
        };
        if value.dims() != buffer.shape() {
            let text = format!(
                "the buffer `{}` has shape {:?}, its new value {:?}",
                buffer.name(),
                buffer.shape(),
                value.dims()
            );
            return Err(Error::new("plugin/shape", text));
        }
        let frame = frame::current()?;
        let options = frame.call().options();
        if options.thread == Thread::Data {
            return Err(Error::new("thread/data", "a buffer is updated on a data thread")
                .with_help("update buffers in the step"));
        }
        // In evaluation nothing may change what is trained.
        if options.training {
            frame.call().add_update(BufferUpdate { buffer, value, rule });
        }
        Ok(())
    })
}

unsafe extern "C" fn view(weight: Handle, kind: u32, parts: *const Handle, parts_len: usize, a: f64) -> Handle {
    guard::answer(|| {
        // SAFETY: handles are lent for this call.
        let (weight, parts) =
            unsafe { (guard::object("the weight", weight)?, guard::slice("the parts", parts, parts_len)?) };
        let weight = guard::weight("the weight", weight)?;
        // SAFETY: as above.
        let parts = parts.iter().map(|part| unsafe { guard::object("a part", *part) }).collect::<Result<Vec<_>>>()?;
        let part = |index: usize| -> Result<Arc<Weight>> {
            let part = parts.get(index).ok_or_else(|| {
                Error::new("plugin/view", format!("the view of `{}` lacks part {index}", weight.name()))
            })?;
            Ok(guard::weight("the part of a view", part)?.clone())
        };
        let view = match kind {
            0 => return Ok(weight.tie_to(&part(0)?)?),
            1 => View::Delta { delta: part(0)? },
            2 => View::LowRank { down: part(0)?, up: part(1)?, scale: a, train_base: false },
            4 => {
                // The difference begins at none, whatever the weight was made with.
                let zeros = weight.value().zeros_like().map_err(compute::Error::from)?;
                weight.push_view(View::DeltaOf { base: part(0)? })?;
                return Ok(weight.set_value(&zeros)?);
            }
            3 => {
                let mask = parts.first().ok_or_else(|| guard::null("the mask of a view"))?;
                View::Mask { mask: guard::buffer("the mask of a view", mask)?.clone() }
            }
            other => return Err(Error::new("plugin/view", format!("view {other} is not known to this host"))),
        };
        Ok(weight.push_view(view)?)
    })
}

fn access(object: &Object) -> Result<&GradientAccess> {
    match object.content() {
        Content::Gradients(access) => Ok(access),
        _ => Err(guard::wrong_kind("the access", "gradient access", object)),
    }
}

unsafe extern "C" fn gradient(lent: Handle, weight: Handle, gradient: *mut Handle) -> Handle {
    // SAFETY: the plugin lends the handles for this call and gives a place for the result.
    unsafe {
        guard::answer_into(gradient, || {
            let (lent, weight) = (guard::object("the access", lent)?, guard::object("the weight", weight)?);
            Ok(access(lent)?.get(guard::weight("the weight", weight)?)?.map(Object::new))
        })
    }
}

unsafe extern "C" fn set_gradient(lent: Handle, weight: Handle, gradient: Handle) -> Handle {
    guard::answer(|| {
        // SAFETY: handles are lent for this call.
        let (lent, weight) = unsafe { (guard::object("the access", lent)?, guard::object("the weight", weight)?) };
        // SAFETY: as above.
        let gradient = unsafe { super::object::borrow(gradient) };
        let gradient = gradient.map(|gradient| guard::tensor("the gradient", gradient)).transpose()?;
        access(lent)?.set(guard::weight("the weight", weight)?, gradient.as_ref())
    })
}

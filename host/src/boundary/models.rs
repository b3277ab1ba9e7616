//! `lacuna.models/0`: models in their roles, heads, vocabularies and sites.

use std::sync::Arc;

use lacuna_abi::{Bytes, Handle, ModelCall, Models};

use super::batch::listed;
use super::call::Auxiliary;
use super::frame::{self, Frame};
use super::guard;
use super::instances::{HeadInstance, ModelInstance};
use super::loss;
use super::object::{self, Content, Object};
use super::scope::Scope;
use super::weights::scope_of;
use crate::error::{Error, Result};

pub(super) static TABLE: Models =
    Models { role, head, forward, apply, describe, vocabulary, site, listening, auxiliary, training, weight };

fn model_of(object: &Object) -> Result<&Arc<ModelInstance>> {
    match object.content() {
        Content::Model(model) => Ok(model),
        _ => Err(guard::wrong_kind("the model", "model", object)),
    }
}

unsafe extern "C" fn role(scope: Handle, role: Bytes, model: *mut Handle) -> Handle {
    // SAFETY: the plugin lends handle and text for this call and gives a place for the result.
    unsafe {
        guard::answer_into(model, || {
            let (scope, role) =
                (scope_of(guard::object("the scope", scope)?)?, guard::text("the name of a role", role)?);
            scope.check_open(&format!("the model `{role}`"))?;
            let context = scope.context();
            let model = context.roles.model(context, role, scope.asker())?;
            Ok(Some(Object::new(Content::Model(model))))
        })
    }
}

unsafe extern "C" fn head(scope: Handle, model: Handle, kind: Bytes, size: u64, head: *mut Handle) -> Handle {
    // SAFETY: the plugin lends handles and text for this call and gives a place for the result.
    unsafe {
        guard::answer_into(head, || {
            let scope = scope_of(guard::object("the scope", scope)?)?;
            let model = model_of(guard::object("the model", model)?)?;
            let kind = guard::text("the kind of a head", kind)?;
            scope.check_open(&format!("a head `{kind}`"))?;
            let head = if scope.lends() { lent(model, kind, size, scope)? } else { model.head(scope, kind, size)? };
            Ok(Some(Object::new(Content::Head(head))))
        })
    }
}

/// A head that was made for somebody else.
fn lent(model: &Arc<ModelInstance>, kind: &str, size: u64, scope: &Scope) -> Result<Arc<HeadInstance>> {
    let found = model.heads(kind).into_iter().find(|head| size == 0 || head.size() == size);
    found.ok_or_else(|| {
        let text = format!(
            "{} needs a head `{kind}` of the model `{}`, and no objective trained one",
            scope.asker(),
            model.role()
        );
        Error::new("config/head", text).with_help("take a run whose objective predicts that")
    })
}

unsafe extern "C" fn forward(model: Handle, call: *const ModelCall) -> Handle {
    guard::answer(|| {
        // SAFETY: the plugin lends the handle, the request and all it points to for this call.
        let (model, request) = unsafe { (guard::object("the model", model)?, guard::value("the request", call)?) };
        let frame = frame::current()?;
        // SAFETY: as above.
        unsafe { model_of(model)?.forward_raw(frame.call(), request) }
    })
}

unsafe extern "C" fn apply(head: Handle, hidden: Handle, logits: *mut Handle) -> Handle {
    // SAFETY: the plugin lends the handles for this call and gives a place for the result.
    unsafe {
        guard::answer_into(logits, || {
            let head = guard::object("the head", head)?;
            let hidden = guard::shared("the hidden rows", hidden)?;
            let Content::Head(head) = head.content() else { return Err(guard::wrong_kind("the head", "head", head)) };
            let frame = frame::current()?;
            Ok(Some(head.apply(frame.call(), &hidden)?))
        })
    }
}

unsafe extern "C" fn describe(model: Handle, json: *mut Handle) -> Handle {
    // SAFETY: the plugin lends the handle for this call and gives a place for the result.
    unsafe {
        guard::answer_into(json, || {
            let model = model_of(guard::object("the model", model)?)?;
            Ok(Some(Object::new(Content::Text(model.description().json.clone().into_bytes()))))
        })
    }
}

unsafe extern "C" fn vocabulary(scope: Handle, modality: Bytes, json: *mut Handle) -> Handle {
    // SAFETY: the plugin lends handle and text for this call and gives a place for the result.
    unsafe {
        guard::answer_into(json, || {
            let scope = scope_of(guard::object("the scope", scope)?)?;
            let modality = guard::text("the name of a modality", modality)?;
            let facts = &scope.context().facts;
            let of_modality = facts.get(modality).ok_or_else(|| {
                let known: Vec<String> = facts.keys().cloned().collect();
                Error::new("config/modality", format!("{} needs data of the modality `{modality}`", scope.asker()))
                    .with_help(format!("add a section [data.{modality}]; the experiment has {}", listed(&known)))
            })?;
            Ok(Some(Object::new(Content::Text(of_modality.clone().into_bytes()))))
        })
    }
}

unsafe extern "C" fn weight(model: Handle, name: Bytes, weight: *mut Handle) -> Handle {
    // SAFETY: the plugin lends handle and text for this call and gives a place for the result.
    unsafe {
        guard::answer_into(weight, || {
            let model = model_of(guard::object("the model", model)?)?;
            let name = guard::text("the name of a weight", name)?;
            let frame = frame::current()?;
            if !frame.call().options().creating {
                let text = format!(
                    "{} asks for the weight `{name}` of the model `{}` after it was made",
                    frame.callee().plugin,
                    model.role()
                );
                return Err(Error::new("plugin/scope", text)
                    .with_help("ask for weights, models and heads in `new` or `build` and keep them"));
            }
            Ok(Some(Object::new(Content::Weight(model.weight(name)?))))
        })
    }
}

/// The frame of a family's call.
fn family_frame() -> Option<Arc<Frame>> {
    frame::top().filter(|frame| !frame.callee().role.is_empty())
}

unsafe extern "C" fn site(name: Bytes, tensor: Handle) -> Handle {
    let replaced = guard::caught(|| {
        // SAFETY: the text is lent for this call.
        let name = unsafe { guard::text("the name of a site", name)? };
        let Some(frame) = family_frame() else { return Ok(None) };
        frame.pass(name);
        let role = &frame.callee().role;
        let listeners = &frame.call().options().listeners;
        if listeners.at(role, name).is_empty() {
            return Ok(None);
        }
        // SAFETY: the handle is lent for this call.
        let seen = guard::tensor("the tensor of a site", unsafe { guard::object("the tensor of a site", tensor)? })?;
        listeners.pass(role, name, &seen)
    });
    match replaced {
        Ok(Some(tensor)) => Object::new(tensor).into_handle(),
        // SAFETY: the handle is lent for this call; the plugin gets a count of its own.
        Ok(None) => unsafe { object::share(tensor) }.map_or(Handle::NULL, Object::into_handle),
        Err(error) => super::dispatch::poisoned("site", error, frame::top().as_deref()).into_handle(),
    }
}

unsafe extern "C" fn listening(name: Bytes) -> u32 {
    let listening = guard::caught(|| {
        // SAFETY: the text is lent for this call.
        let name = unsafe { guard::text("the name of a site", name)? };
        let Some(frame) = family_frame() else { return Ok(false) };
        Ok(!frame.call().options().listeners.at(&frame.callee().role, name).is_empty())
    });
    u32::from(listening.unwrap_or(false))
}

unsafe extern "C" fn auxiliary(name: Bytes, weight: f64, sum: Handle, count: Handle) -> Handle {
    guard::answer(|| {
        // SAFETY: text and handles are lent for this call.
        let name = unsafe { guard::text("the name of an auxiliary loss", name)? };
        // SAFETY: as above.
        let [sum, count] = unsafe { [guard::object("the sum", sum)?, guard::object("the count", count)?] };
        let (sum, count) = (guard::tensor("the sum", sum)?, guard::tensor("the count", count)?.stop_gradient());
        loss::scalar("the sum", name, &sum)?;
        loss::scalar("the count", name, &count)?;
        let frame = frame::current()?;
        let options = frame.call().options();
        // Counted only where a trained role may get a gradient, and where finite differences stand in for it.
        if options.training && (options.gradients || options.outcomes.is_some()) {
            let role = frame.callee().role.to_string();
            frame.call().add_auxiliary(Auxiliary { role, name: name.to_owned(), weight, sum, count });
        }
        Ok(())
    })
}

unsafe extern "C" fn training() -> u32 {
    u32::from(frame::top().is_some_and(|frame| frame.call().options().training))
}

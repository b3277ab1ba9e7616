//! `lacuna.states/0`: what models remember while they decode.

use std::sync::Arc;

use compute::Tensor;
use lacuna_abi::{Bytes, Handle, States};

use super::guard;
use super::object::{Content, Object};
use super::state::State;
use super::tensors::step_frame;
use crate::error::Result;

pub(super) static TABLE: States = States { lengths, get, set, append };

fn state_of(object: &Object) -> Result<&Arc<State>> {
    match object.content() {
        Content::State(state) => Ok(state),
        _ => Err(guard::wrong_kind("the state", "state", object)),
    }
}

unsafe extern "C" fn lengths(state: Handle, lengths: *mut Handle) -> Handle {
    // SAFETY: the plugin lends the handle for this call and gives a place for the result.
    unsafe {
        guard::answer_into(lengths, || {
            let frame = step_frame()?;
            let found = state_of(guard::object("the state", state)?)?.lengths();
            let found: Vec<u32> = found.into_iter().map(|length| length as u32).collect();
            let tensor = Tensor::from_slice(&found, &[found.len()], &frame.call().options().device)?;
            Ok(Some(Object::new(tensor)))
        })
    }
}

unsafe extern "C" fn get(state: Handle, name: Bytes, tensor: *mut Handle) -> Handle {
    // SAFETY: the plugin lends handle and text for this call and gives a place for the result.
    unsafe {
        guard::answer_into(tensor, || {
            let name = guard::text("a name in a state", name)?;
            Ok(state_of(guard::object("the state", state)?)?.get(name)?.map(Object::new))
        })
    }
}

unsafe extern "C" fn set(state: Handle, name: Bytes, tensor: Handle) -> Handle {
    guard::answer(|| {
        step_frame()?;
        // SAFETY: handles and text are lent for this call.
        let (state, name) = unsafe { (guard::object("the state", state)?, guard::text("a name in a state", name)?) };
        // SAFETY: as above.
        let tensor = guard::tensor("the tensor", unsafe { guard::object("the tensor", tensor)? })?;
        state_of(state)?.set(name, &tensor)
    })
}

unsafe extern "C" fn append(
    state: Handle,
    name: Bytes,
    rows: Handle,
    layout: Handle,
    all: *mut Handle,
    all_layout: *mut Handle,
) -> Handle {
    guard::answer(|| {
        step_frame()?;
        if all.is_null() || all_layout.is_null() {
            return Err(guard::null("the place for the rows"));
        }
        // SAFETY: handles and text are lent for this call.
        let (state, name) = unsafe { (guard::object("the state", state)?, guard::text("a name in a state", name)?) };
        // SAFETY: as above.
        let (rows, layout) = unsafe { (guard::object("the rows", rows)?, guard::object("the layout", layout)?) };
        let rows = guard::tensor("the rows", rows)?;
        let Content::Layout(layout) = layout.content() else {
            return Err(guard::wrong_kind("the layout", "layout", layout));
        };
        let (found, found_layout) = state_of(state)?.append(name, &rows, layout)?;
        // SAFETY: neither is null; the plugin gives both places.
        unsafe {
            all.write(Object::new(found).into_handle());
            all_layout.write(Object::new(Content::Layout(found_layout)).into_handle());
        }
        Ok(())
    })
}

//! Errors to and from the host.

use std::panic::Location;

use lacuna_abi::{Bytes, Handle};

use super::host::host;
use super::object::Object;
use super::operation::place;
use crate::error::{Error, Result};

/// Success, or the error a function of the host returned.
pub(crate) fn checked(error: Handle) -> Result<()> {
    match Object::owned_or_none(error) {
        None => Ok(()),
        Some(error) => Err(Error::from_host(error)),
    }
}

/// Makes an error of the host's.
pub(crate) fn make(code: &str, text: &str, help: &str, location: Option<&'static Location<'static>>) -> Object {
    let place = location.map(place);
    let place = place.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: texts and place outlive the call; the handle is ours.
    Object::owned(unsafe { (host().errors.make)(Bytes::text(code), Bytes::text(text), Bytes::text(help), place) })
}

/// Which text of an error.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Code,
    Text,
    Help,
}

/// A text of an error.
pub(crate) fn part(error: &Object, part: Part) -> &str {
    let errors = host().errors;
    let read = match part {
        Part::Code => errors.code,
        Part::Text => errors.text,
        Part::Help => errors.help,
    };
    // SAFETY: the texts live while the error is held, which the borrow says.
    unsafe { read(error.handle()).as_text() }.unwrap_or("(a text that is not UTF-8)")
}

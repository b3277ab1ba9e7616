//! Instances of plugins, safe to call: frames pushed, faults taken, results checked.

mod decoder;
mod decoding;
mod evaluator;
mod head;
mod hugging_face;
mod model;
mod objective;
mod phases;

pub use decoder::DecoderInstance;
pub use evaluator::EvaluatorInstance;
pub use head::HeadInstance;
pub use hugging_face::hugging_face_settings;
pub use model::{Description, ForwardRequest, ModelInstance};
pub use objective::ObjectiveInstance;
pub use phases::Phase;

use std::sync::Arc;

use lacuna_abi::Handle;

use super::call::Call;
use super::clock;
use super::frame::{self, Callee, Frame};
use super::loss::{LossCollector, LossResult};
use super::object::{self, Content, Object};
use super::provider::Provider;
use crate::error::{Error, Result};

/// A plugin's object, freed by the plugin.
struct Instance {
    pointer: *mut u8,
    destroy: unsafe extern "C" fn(*mut u8),
}

// SAFETY: by the boundary's rules instances are re-entrant behind `&self` and may be used and freed on any thread.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: the pointer came from this plugin's `create` or `build` and is freed once.
        unsafe { (self.destroy)(self.pointer) };
    }
}

fn callee(provider: &dyn Provider, role: &str) -> Callee {
    let plugin = format!("{} {}", provider.name(), provider.version());
    Callee { plugin: plugin.into(), role: role.into(), live: provider.live().clone() }
}

/// Runs `work`, which calls a function of `callee`, in a frame of its own; afterwards the first fault fails the call,
/// then the error that the plugin returned.
fn called(callee: &Callee, function: &str, call: &Arc<Call>, work: impl FnOnce() -> Handle) -> Result<()> {
    let frame = Frame::new(callee.clone(), function, call.clone());
    frame::with_frame(&frame, || {
        let returned = clock::in_plugin(work);
        // SAFETY: the plugin hands over what it returns.
        let error = unsafe { object::take(returned) };
        if let Some(fault) = frame.take_fault() {
            return Err(fault.error());
        }
        let Some(error) = error else { return Ok(()) };
        match error.content() {
            Content::Error(error) => Err(error.clone().within(frame::labels())),
            _ => {
                let text = format!("`{function}` returned a {} where an error or null belongs", error.kind_name());
                Err(Error::new("plugin/kind", text).within(frame::labels()))
            }
        }
    })
}

/// The same for a function that writes an object.
fn called_for(
    callee: &Callee,
    function: &str,
    call: &Arc<Call>,
    work: impl FnOnce(*mut Handle) -> Handle,
) -> Result<Option<Arc<Object>>> {
    let mut out = Handle::NULL;
    let result = called(callee, function, call, || work(&raw mut out));
    // SAFETY: the plugin hands over what it writes; also after a failure, so that it is freed.
    let object = unsafe { object::take(out) };
    result.map(|()| object)
}

/// The figures, and maps beside them, that a function of `callee` gives to the collector lent to it.
fn figures(callee: &Callee, call: &Arc<Call>, work: impl FnOnce(Handle) -> Handle) -> Result<LossResult> {
    let collector = Object::lent_to(&callee.live, Content::Loss(LossCollector::default()));
    called(callee, "figures", call, || work(collector.lend()))?;
    match collector.content() {
        Content::Loss(collector) => Ok(collector.take()),
        _ => Err(Error::new("host/loss", "the collector of figures changed its kind")),
    }
}

/// The text a plugin wrote.
fn text_of(callee: &Callee, function: &str, object: Option<Arc<Object>>) -> Result<Option<String>> {
    let Some(object) = object else { return Ok(None) };
    match object.content() {
        Content::Text(text) => String::from_utf8(text.clone()).map(Some).map_err(|_| {
            Error::new("plugin/text", format!("{} {function} gives text that is not UTF-8", callee.plugin))
        }),
        _ => {
            let text = format!("{} {function} gives a {} where text belongs", callee.plugin, object.kind_name());
            Err(Error::new("plugin/kind", text))
        }
    }
}

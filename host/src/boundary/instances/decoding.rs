//! Decoding: a model run over new rows, with what it remembers of those before.

use std::sync::Arc;

use lacuna_abi::Decode;

use super::called;
use super::model::{ForwardRequest, ModelInstance};
use crate::boundary::call::Call;
use crate::boundary::object::{Content, Object};
use crate::boundary::state::State;
use crate::error::{Error, Result};

impl ModelInstance {
    /// Whether the family decodes step by step.
    #[must_use]
    pub fn decodes(&self) -> bool {
        self.decode.is_some()
    }

    fn decoder(&self) -> Result<&'static Decode> {
        self.decode.ok_or_else(|| {
            let text = format!("{} does not provide `{}`", self.callee().plugin, lacuna_abi::name::DECODE);
            Error::new("plugin/interface", text).with_help("`lacuna plugins info` lists what it provides")
        })
    }

    /// An empty state for `count` sequences with room for `room` rows each before it has to grow.
    ///
    /// # Errors
    /// When the family does not decode, or this model cannot.
    pub fn begin_decoding(&self, call: &Arc<Call>, count: usize, room: usize) -> Result<Arc<State>> {
        let table = self.decoder()?;
        let state = Arc::new(State::new(count, room));
        let lent = Object::lent_to(&self.callee().live, Content::State(state.clone()));
        called(self.callee(), "begin", call, || {
            // SAFETY: the instance is alive, the state is lent for the call.
            unsafe { (table.begin)(self.instance.pointer, lent.lend()) }
        })?;
        Ok(state)
    }

    /// Runs new rows against the state, which grows by them when all goes well; outputs as of [`ModelInstance::forward`].
    /// The layout of the request comes from [`State::layout`].
    ///
    /// # Errors
    /// As [`ModelInstance::forward`], and when the layout is not that of the state's sequences.
    pub fn step(&self, call: &Arc<Call>, state: &Arc<State>, request: &ForwardRequest<'_>) -> Result<Arc<Object>> {
        let table = self.decoder()?;
        let (given, known) = (request.layout.segments(), state.lengths().len());
        if given != known {
            return Err(Error::new("state/sequence", format!("a step of {given} sequences meets a state of {known}")));
        }
        let lent = Object::lent_to(&self.callee().live, Content::State(state.clone()));
        let result = self.with_request(request, |raw| {
            // SAFETY: the instance is alive; state and request are lent for the call.
            let work = || unsafe { (table.step)(self.instance.pointer, lent.lend(), raw) };
            // SAFETY: all that the request points to lives until the call returns.
            unsafe { self.run_raw(call, raw, "step", work) }
        });
        state.end_step(request.layout, result.is_ok());
        result
    }
}

//! What a family knows of Hugging Face folders.

use lacuna_abi::{Bytes, HuggingFace};

use super::model::ModelInstance;
use super::{called_for, callee, text_of};
use crate::boundary::call::{Call, CallOptions};
use crate::boundary::provider::{self, Provider};
use crate::error::Result;

impl ModelInstance {
    /// All about the names in Hugging Face files, as JSON text; `None` where the family has none.
    ///
    /// # Errors
    /// The plugin's error.
    pub fn hugging_face(&self) -> Result<Option<String>> {
        let Some(table) = self.hugging_face else { return Ok(None) };
        // SAFETY: the instance is alive, the place is writable.
        self.json("names", |out| unsafe { (table.table)(self.instance.pointer, out) })
    }

    /// Its `config.json` for a Hugging Face folder, as JSON text; `None` where the family has none.
    ///
    /// # Errors
    /// The plugin's error, when no published architecture has its settings.
    pub fn hugging_face_config(&self) -> Result<Option<String>> {
        let Some(table) = self.hugging_face else { return Ok(None) };
        // SAFETY: the instance is alive, the place is writable.
        self.json("config", |out| unsafe { (table.config)(self.instance.pointer, out) })
    }
}

/// The settings of `family` (a JSON object, unchecked) for a `config.json`; `None` where it has no such table or does not know
/// the architecture.
///
/// # Errors
/// The plugin's error, when it knows the architecture but cannot do what the file asks.
pub fn hugging_face_settings(family: &dyn Provider, config: &str) -> Result<Option<String>> {
    let Some(table) = provider::interface::<HuggingFace>(family)? else { return Ok(None) };
    let (callee, call) = (callee(family, ""), Call::new(CallOptions::data(0)));
    let settings = called_for(&callee, "settings", &call, |out| {
        // SAFETY: the text is lent for the call, the place is writable.
        unsafe { (table.settings)(Bytes::text(config), out) }
    })?;
    text_of(&callee, "settings", settings)
}

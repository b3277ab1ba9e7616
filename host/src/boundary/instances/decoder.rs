//! A decoder: the instance of a plugin that makes sequences with trained models.

use std::sync::Arc;

use lacuna_abi::{Bytes, Decoder, DecoderCall};

use super::{Instance, called, callee};
use crate::boundary::batch::Batch;
use crate::boundary::call::Call;
use crate::boundary::frame::Callee;
use crate::boundary::object::{Content, Object};
use crate::boundary::provider::{self, Provider};
use crate::boundary::scope::Scope;
use crate::error::{Error, Result};

/// A rule that makes sequences.
pub struct DecoderInstance {
    callee: Callee,
    table: &'static Decoder,
    instance: Instance,
}

impl DecoderInstance {
    /// Makes the decoder with what `scope` lends, see [`Scope::lending`]. `settings` is a checked JSON object.
    ///
    /// # Errors
    /// When the plugin is no decoder, needs something that is not there, or fails.
    pub fn create(plugin: &dyn Provider, scope: &Scope, settings: &str) -> Result<Self> {
        let table = provider::required::<Decoder>(plugin)?;
        let callee = callee(plugin, "");
        let lent = Object::lent_to(&callee.live, Content::Scope(scope.clone()));
        let mut pointer = std::ptr::null_mut();
        let created = called(&callee, "new", &scope.context().creation(), || {
            // SAFETY: scope and settings are lent for the call; the place is writable.
            unsafe { (table.create)(lent.lend(), Bytes::text(settings), &raw mut pointer) }
        });
        scope.close();
        // Owned before the outcome is looked at, so that an instance made in a failed call is freed.
        let instance = (!pointer.is_null()).then(|| Instance { pointer, destroy: table.destroy });
        created?;
        let instance = instance
            .ok_or_else(|| Error::new("plugin/instance", format!("{} new gives no instance", callee.plugin)))?;
        Ok(Self { callee, table, instance })
    }

    /// The new tokens of each sequence of `prompts` (a batch object), at most `length` of them.
    ///
    /// # Errors
    /// The first fault, the plugin's error, or another number of sequences or of tokens than asked for.
    pub fn decode(
        &self,
        call: &Arc<Call>,
        prompts: &Arc<Object>,
        count: usize,
        length: usize,
    ) -> Result<Vec<Vec<u32>>> {
        let outputs = Object::lent_to(&self.callee.live, Content::Batch(Batch::default()));
        let decoder_call = DecoderCall { prompts: prompts.lend(), length: length as u64, outputs: outputs.lend() };
        called(&self.callee, "decode", call, || {
            // SAFETY: the instance is alive, the rest is lent for the call.
            unsafe { (self.table.decode)(self.instance.pointer, &raw const decoder_call) }
        })?;
        let Content::Batch(outputs) = outputs.content() else {
            return Err(Error::new("host/output", "the outputs changed their kind"));
        };
        let (tokens, lengths) = (outputs.tensor("tokens")?.to_ids()?, outputs.tensor("lengths")?.to_ids()?);
        let plugin = &self.callee.plugin;
        let wrong = |text: String| Err(Error::new("plugin/output", format!("{plugin} decode gives {text}")));
        if lengths.len() != count {
            return wrong(format!("{} sequences for {count} prompts", lengths.len()));
        }
        if let Some(longest) = lengths.iter().find(|given| **given as usize > length) {
            return wrong(format!("{longest} new tokens where {length} were asked for"));
        }
        if lengths.iter().map(|length| *length as usize).sum::<usize>() != tokens.len() {
            return wrong(format!("{} tokens, which are not those of its sequences", tokens.len()));
        }
        let mut rest = tokens.as_slice();
        let mut next = |length: u32| {
            let (sequence, behind) = rest.split_at(length as usize);
            rest = behind;
            sequence.to_vec()
        };
        Ok(lengths.into_iter().map(&mut next).collect())
    }
}

//! The table of a decoder.

use std::marker::PhantomData;

use lacuna_abi::{self as abi, Bytes, DecoderCall, Handle, Interface, name};

use super::export::Entry;
use super::guard::guard;
use super::objectives::{destroy, instance, lent, settings};
use crate::batch::Batch;
use crate::decoder as api;
use crate::error::{Error, Result};
use crate::scope::Scope;
use crate::settings::Settings;
use crate::tensor::Tensor;

/// Provides `lacuna.decoder`.
pub struct Decoder<T>(PhantomData<T>);

impl<T: api::Decoder> Decoder<T> {
    const TABLE: &'static abi::Decoder =
        &abi::Decoder { create: create::<T>, destroy: destroy::<T>, decode: decode::<T> };
    /// The entry in the plugin's list.
    pub const ENTRY: Entry =
        Entry { interface: name::DECODER, settings: T::Settings::SCHEMA, table: || Interface::of(Self::TABLE) };
}

unsafe extern "C" fn create<T: api::Decoder>(scope: Handle, given: Bytes, out: *mut *mut u8) -> Handle {
    guard(|| {
        // SAFETY: the host lends scope and settings for the call and gives room for the instance.
        unsafe {
            let scope = Scope::from_object(lent(scope, "scope")?);
            let made = T::new(settings(given)?, &scope)?;
            out.write(Box::into_raw(Box::new(made)).cast());
        }
        Ok(())
    })
}

unsafe extern "C" fn decode<T: api::Decoder>(this: *const u8, call: *const DecoderCall) -> Handle {
    guard(|| {
        // SAFETY: the host gives the instance and lends the call.
        let (this, prompts, outputs, length) = unsafe {
            let call = call.as_ref().ok_or_else(|| Error::new("host/argument", "the host gave no decoder call"))?;
            let prompts = Batch::from_object(lent(call.prompts, "prompts")?);
            let outputs = Batch::from_object(lent(call.outputs, "batch for outputs")?);
            (instance::<T>(this)?, prompts, outputs, call.length)
        };
        let length = usize::try_from(length).map_err(|_| Error::data("more new tokens than there can be"))?;
        put(&outputs, &this.decode(&prompts, length)?)
    })
}

fn put(outputs: &Batch, sequences: &[Vec<u32>]) -> Result<()> {
    let tokens = sequences.concat();
    let lengths: Vec<u32> = sequences.iter().map(|tokens| tokens.len() as u32).collect();
    outputs.put("tokens", Tensor::new(&tokens, &[tokens.len()]))?;
    outputs.put("lengths", Tensor::new(&lengths, &[lengths.len()]))
}

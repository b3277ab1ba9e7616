//! The one crate a Lacuna plugin links.
//!
//! A plugin says what is to be learnt (an [`Objective`]) or what learns it (a [`ModelFamily`]). The host owns the rest:
//! data, devices, gradients, the loop, checkpoints. A plugin is a `cdylib` that holds no numbers of its own: everything
//! it computes with are handles on what the host keeps, so that one compiled plugin serves every device and survives
//! new hosts and new compilers.
//!
//! # The model
//!
//! - **Operations do not fail.** `&a + &b` gives a [`Tensor`], not a `Result`. What cannot be computed is *poisoned*:
//!   it remembers operation, shapes and the line in the plugin's source, and the host reports the first such fault when
//!   the plugin's function returns. `?` stands where something asked of the host may be missing: a column, a role, a
//!   shape.
//! - **Tokens travel as rows.** Tokens are `[n]`, hidden rows `[n, d]`, without padding; a [`Layout`] says which rows
//!   belong together, a [`Mask`] who may attend to whom. Row numbers made in collation select the rows a loss looks at.
//! - **Weights are slots.** A [`Weight`] goes wherever an operation takes a tensor; the host decides at each use what
//!   it shows: the trained value, an average, a low-rank or masked view.
//! - **A loss is a sum with its count.** The host divides by the count of the global batch, so accumulation and several
//!   ranks change nothing. See [`Loss`].
//! - **Random numbers are functions** of seed, step and row ([`random`], [`Sample::uniforms`]): a step can be replayed.
//!
//! # A complete plugin
//!
//! Masked language modelling (Devlin et al. 2018, arXiv:1810.04805, section 3.1), every chosen token masked. Axes: n
//! rows, d width, c chosen, v vocabulary.
//!
//! ```no_run
//! use plugin_api::prelude::*;
//!
//! #[derive(Settings)]
//! struct MlmSettings {
//!     /// Share of eligible tokens to predict.
//!     #[setting(default = 0.15, range = 0.01..=0.9)]
//!     mask_rate: f64,
//! }
//!
//! struct Mlm {
//!     settings: MlmSettings,
//!     encoder: Model,
//!     tokens: Head,
//!     vocabulary: Vocabulary,
//! }
//!
//! impl Objective for Mlm {
//!     type Settings = MlmSettings;
//!
//!     fn new(settings: MlmSettings, scope: &Scope) -> Result<Self> {
//!         let encoder = scope.model("encoder")?;
//!         let tokens = encoder.head(scope, HeadKind::Tokens)?;
//!         Ok(Self { settings, encoder, tokens, vocabulary: scope.vocabulary("text")? })
//!     }
//!
//!     fn loss(&self, batch: &Batch) -> Result<Loss> {
//!         let hidden_nd = self.encoder.encode(&batch.tensor("shown")?, &batch.layout("text")?)?;
//!         let logits_cv = self.tokens.apply(&hidden_nd.index_select(0, &batch.tensor("chosen")?))?;
//!         let targets_c = batch.tensor("targets")?;
//!         let accuracy = logits_cv.argmax(-1).eq(&targets_c);
//!         Ok(Loss::sum_over(&logits_cv.cross_entropy(&targets_c)).metric("accuracy", &accuracy).targets(&targets_c))
//!     }
//! }
//!
//! impl Collate for Mlm {
//!     fn collate(&self, samples: &Samples) -> Result<()> {
//!         let mask = self.vocabulary.mask_token()?;
//!         let (mut shown, mut chosen, mut targets) = (Vec::new(), Vec::new(), Vec::new());
//!         for sample in samples.iter() {
//!             let (tokens, special) = (sample.u32s("text.tokens")?, sample.bools("text.special")?);
//!             let draws = sample.uniforms("mask", tokens.len())?;
//!             let first_row = sample.first_row("text")?;
//!             for (position, &token) in tokens.iter().enumerate() {
//!                 let is_chosen = !special[position] && draws[position] < self.settings.mask_rate;
//!                 shown.push(if is_chosen { mask } else { token });
//!                 if is_chosen {
//!                     chosen.push((first_row + position) as i64);
//!                     targets.push(i64::from(token));
//!                 }
//!             }
//!         }
//!         samples.add("shown", &shown)?;
//!         samples.add("chosen", &chosen)?;
//!         samples.add("targets", &targets)
//!     }
//! }
//!
//! export_plugin! { name: "mlm", provides: [Objective<Mlm>, Collate<Mlm>] }
//! # fn main() {}
//! ```
//!
//! # Where things are
//!
//! | module | subject |
//! |---|---|
//! | [`Tensor`] | operations, one file for each family of them |
//! | [`nn`] | layers: plain Rust over operations, shared by all plugins |
//! | [`random`] | random numbers inside a step |
//! | [`metrics`] | figures over all samples: F1, correlations, spans |
//! | [`probe`] | small models on frozen features |
//! | [`spans`] | which rows of a sound are hidden |
//! | [`scoring`] | how likely a model finds tokens |
//! | [`features`] | one vector for a text or a picture |
//! | [`log`] | lines in the run's log, work on the host's threads |
//!
//! All `unsafe` is in one private module that talks to the boundary crate, `lacuna_abi`.

#![deny(unsafe_code)]
#![warn(missing_docs)]

extern crate self as plugin_api;

mod batch;
mod collate;
mod decoder;
mod dtype;
mod error;
mod evaluator;
mod export;
mod family;
pub mod features;
mod huggingface;
mod items;
mod labels;
mod layout;
pub mod log;
mod manifest;
mod mask;
pub mod metrics;
mod modality;
mod model;
pub mod nn;
mod objective;
pub mod prelude;
pub mod probe;
pub mod random;
mod raw;
mod scope;
pub mod scoring;
mod sequences;
mod settings;
pub mod spans;
mod state;
mod tensor;
mod vocabulary;
mod weight;

pub use batch::Batch;
pub use collate::{Sample, Samples};
pub use decoder::Decoder;
pub use dtype::{DType, Element};
pub use error::{Error, Result};
pub use evaluator::Evaluator;
pub use family::{Axes, Axis, Decode, Forward, HeadModule, HeadRequest, ModelFamily, auxiliary, listening, site};
pub use huggingface::{
    HuggingFace, HuggingFaceConfig, HuggingFaceName, HuggingFaceTable, Permuted, Split, activation_name,
};
pub use items::{Figures, Items};
pub use layout::Layout;
pub use mask::Mask;
pub use modality::{Pictures, Sounds};
pub use model::{Description, Head, HeadKind, Model, Output, Pass, training};
pub use objective::{
    Collate, Couple, Evaluate, Experience, GradientAccess, Gradients, Loss, Objective, Phase, Phases, custom, grad,
};
pub use plugin_api_derive::Settings;
pub use raw::HostObject;
pub use scope::Scope;
pub use sequences::{SequenceBatch, Sequences};
pub use serde_json::{Value as Json, json};
pub use settings::Settings;
pub use state::State;
pub use tensor::{Activation, AsTensor, AttentionCall, Conv, CrossEntropy, Ctc, Pool, Tensor, check};
pub use vocabulary::Vocabulary;
pub use weight::{Buffer, Init, Weight, WeightOptions};

/// What the macros of this crate write down; nobody else names it.
#[doc(hidden)]
pub mod __private {
    pub use crate::manifest::Manifest;
    pub use crate::raw::{
        Axes, Collate, Couple, Decode, Decoder, Entry, Evaluate, Evaluator, Experience, Exported, Figures, Gradients,
        HuggingFace, Model, Objective, Phases, open, query,
    };
    pub use crate::settings::{Reader, Rule};
    pub use lacuna_abi::{BOUNDARY, HEADER, Root};
}

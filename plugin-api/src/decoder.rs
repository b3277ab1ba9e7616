//! Decoders: rules that make sequences with trained models.

use crate::batch::Batch;
use crate::error::Result;
use crate::scope::Scope;
use crate::settings::Settings;

/// A rule that makes sequences: which positions are filled when, how tokens are drawn, how often the network is asked.
///
/// `lacuna generate RUN --decoder NAME key=value` runs it without gradients, counts how often it asks a model, and takes
/// the time. Everything random comes from [`random`](crate::random), so that the seed decides the tokens.
pub trait Decoder: Sized + Send + Sync + 'static {
    /// What the command line says as `key=value`.
    type Settings: Settings;

    /// Makes an instance. The scope lends the models and heads of the run, trained; it makes no weights.
    ///
    /// # Errors
    /// When settings do not fit together, or the run has no such model or head.
    fn new(settings: Self::Settings, scope: &Scope) -> Result<Self>;

    /// The new tokens of each sequence, `length` of them or fewer.
    ///
    /// `prompts` holds `text.tokens` `u32` `[n]` and the layout `text` of b sequences, some of them perhaps empty, and
    /// `sequences` `u32` `[b]`: numbers that draws go by, so that a sequence becomes the same whatever it is decoded with.
    ///
    /// # Errors
    /// When a prompt is too long or a model fails.
    fn decode(&self, prompts: &Batch, length: usize) -> Result<Vec<Vec<u32>>>;
}

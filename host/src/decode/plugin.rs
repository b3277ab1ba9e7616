//! Decoders that plugins provide: prompts in, new tokens out, with the network's calls and the time counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use compute::Tensor;
use compute::layout::Layout;
use compute::weights::Weights;
use lacuna_abi::name;
use serde_json::Value as Json;

use super::entropy::{Entropy, entropy};
use crate::boundary::{
    Call, CallOptions, Content, Context, DecoderInstance, ModelInstance, Object, Roles, Scope, batch_object,
};
use crate::error::{Error, Result};
use crate::loader::{Catalogue, Plugin};

/// Trained models and what plugins may know of their data.
pub struct Trained {
    /// The models by role.
    pub models: BTreeMap<String, Arc<ModelInstance>>,
    /// Their weights.
    pub weights: Arc<Weights>,
    /// By modality, what plugins may know of it, as JSON text.
    pub facts: BTreeMap<String, String>,
    /// Options of a call that evaluates.
    pub options: CallOptions,
}

/// What is to be made.
#[derive(Debug, Clone, Copy)]
pub struct DecodeRequest<'a> {
    /// What sequences begin with; may be empty.
    pub prompts: &'a [Vec<u32>],
    /// Sequences for each prompt.
    pub samples: usize,
    /// New tokens of each.
    pub length: usize,
    /// The seed of the draws.
    pub seed: u64,
    /// Sequences that are decoded together.
    pub batch: usize,
}

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The new tokens, those of the first prompt first.
    pub sequences: Vec<Vec<u32>>,
    /// How often a network was run, by batch.
    pub network_calls: Vec<u64>,
    /// How long it took.
    pub seconds: f64,
    /// How varied the tokens are.
    pub entropy: Entropy,
}

/// The models at hand, whoever asks for them: a decoder's role is filled by the only model where there is one alone.
struct AtHand(BTreeMap<String, Arc<ModelInstance>>);

impl Roles for AtHand {
    fn model(&self, _: &Arc<Context>, role: &str, asker: &str) -> Result<Arc<ModelInstance>> {
        let only = self.0.values().next().filter(|_| self.0.len() == 1);
        self.0.get(role).or(only).cloned().ok_or_else(|| {
            let known: Vec<String> = self.0.keys().map(|role| format!("`{role}`")).collect();
            Error::new("config/role", format!("{asker} needs a model for the role `{role}`"))
                .with_help(format!("there are models in the roles {}", known.join(", ")))
        })
    }
}

/// The decoder of the plugin `name` with settings `key=value`, over trained models.
///
/// # Errors
/// When there is no such decoder, a setting is wrong, or the models do not suit it.
pub fn plugin_decoder(
    catalogue: &Catalogue,
    plugin: &str,
    settings: &[String],
    trained: &Trained,
) -> Result<DecoderInstance> {
    let found = catalogue.find(plugin)?;
    let schema = found.manifest.provided(name::DECODER, &found.path)?.settings.clone().unwrap_or_default();
    let given = experiment::Table::of_arguments("decoder", settings)?;
    let settings = Json::Object(schema.check(&format!("decoder `{plugin}`"), &given)?).to_string();
    let opened = Plugin::open(&found.path, &found.manifest)?;
    let context = Arc::new(Context {
        weights: trained.weights.clone(),
        seed: trained.options.seed,
        device: trained.options.device.clone(),
        facts: trained.facts.clone(),
        roles: Arc::new(AtHand(trained.models.clone())),
        log: trained.options.log.clone(),
    });
    DecoderInstance::create(&opened, &Scope::lending(&context, &format!("decoder `{plugin}`")), &settings)
}

/// Runs a decoder. A sequence's draws go by its number among all: how they are divided into batches changes none.
///
/// # Errors
/// The decoder's error.
pub fn decode(decoder: &DecoderInstance, options: &CallOptions, request: DecodeRequest<'_>) -> Result<Decoded> {
    let start = Instant::now();
    let numbers: Vec<usize> = (0..request.prompts.len() * request.samples).collect();
    let (mut sequences, mut network_calls) = (Vec::with_capacity(numbers.len()), Vec::new());
    for batch in numbers.chunks(request.batch.max(1)) {
        let call = Call::new(CallOptions { seed: request.seed, step: 0, ..options.clone() });
        let prompts: Vec<(u32, &[u32])> =
            batch.iter().map(|number| (*number as u32, &*request.prompts[number / request.samples])).collect();
        let made = prompts_object(&prompts, options)?;
        sequences.extend(decoder.decode(&call, &made, batch.len(), request.length)?);
        network_calls.push(call.passes());
    }
    let entropy = entropy(&sequences);
    Ok(Decoded { sequences, network_calls, seconds: start.elapsed().as_secs_f64(), entropy })
}

/// Prompts with the numbers that their draws go by, as decoders see them.
pub(crate) fn prompts_object(prompts: &[(u32, &[u32])], options: &CallOptions) -> Result<Arc<Object>> {
    let device = &options.device;
    let tokens: Vec<u32> = prompts.iter().flat_map(|(_, tokens)| tokens.iter().copied()).collect();
    let lengths: Vec<usize> = prompts.iter().map(|(_, tokens)| tokens.len()).collect();
    let numbers: Vec<u32> = prompts.iter().map(|(number, _)| *number).collect();
    let keys: Vec<u64> = numbers.iter().map(|number| u64::from(*number)).collect();
    batch_object([
        ("text.tokens".to_owned(), Content::from(Tensor::from_slice(&tokens, &[tokens.len()], device)?)),
        ("text.layout".to_owned(), Content::Layout(Layout::new(&lengths, &keys)?)),
        ("sequences".to_owned(), Content::from(Tensor::from_slice(&numbers, &[numbers.len()], device)?)),
    ])
}

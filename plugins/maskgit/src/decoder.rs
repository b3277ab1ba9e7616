//! The decoder: the sampler over the trained encoder of a run.

use plugin_api::prelude::*;

use crate::encoder::Encoder;
use crate::sampler::{self, Codes, Draws, Network, Rule, guided};

/// What `lacuna generate RUN --decoder maskgit key=value` takes.
#[derive(Settings)]
pub struct DecoderSettings {
    /// Steps; the network is run once in each, twice under guidance.
    #[setting(default = 8, range = 1..=65536)]
    pub(crate) steps: usize,
    /// How much noise decides, beside certainty, which codes stay; it falls to 0 over the steps.
    #[setting(default = 4.5, range = 0.0..=1000.0)]
    pub(crate) choice_temperature: f64,
    /// Weight w of the label: logits u + w (c − u), u without the label; 1 takes them as they are, 0 leaves the label out.
    #[setting(default = 1.0, range = 0.0..=100.0)]
    pub(crate) guidance: f64,
}

/// Makes codes of pictures.
pub struct Painter {
    encoder: Encoder,
    rule: Rule,
    guidance: f64,
}

impl Decoder for Painter {
    type Settings = DecoderSettings;

    fn new(settings: DecoderSettings, scope: &Scope) -> Result<Self> {
        let DecoderSettings { steps, choice_temperature, guidance } = settings;
        let encoder = Encoder::new(scope, None)?;
        if guidance != 1.0 && encoder.labels == 0 {
            let fact = format!("is {guidance}, and the model knows nothing of labels");
            return Err(
                Error::setting("guidance", fact).help("leave it out, or train with `labels` in [model.encoder]")
            );
        }
        Ok(Self { encoder, rule: Rule { steps, choice_temperature }, guidance })
    }

    /// The codes of pictures, as many as a picture has; a prompt is one label, or nothing.
    fn decode(&self, prompts: &Batch, length: usize) -> Result<Vec<Vec<u32>>> {
        if length != self.encoder.patches {
            let fact = format!("a picture has {} codes, and {length} are asked for", self.encoder.patches);
            return Err(Error::data(fact).help("leave `--length` out"));
        }
        let mut tokens = prompts.tensor("text.tokens")?.to_vec::<u32>()?.into_iter();
        let mut labels = Vec::new();
        for given in prompts.layout("text")?.lengths().to_vec::<u32>()? {
            let own: Vec<u32> = tokens.by_ref().take(given as usize).collect();
            labels.push(match *own {
                [] => None,
                [label] => Some(label),
                _ => return Err(Error::data(format!("a prompt of {given} tokens is no label")).help("give one label")),
            });
        }
        self.paint(&labels, &prompts.tensor("sequences")?.to_vec()?)
    }
}

impl Painter {
    /// The codes of a picture for each label; the draws of a picture go by its number.
    pub(crate) fn paint(&self, labels: &[Option<u32>], numbers: &[u32]) -> Result<Vec<Vec<u32>>> {
        if let Some(label) = labels.iter().flatten().find(|label| **label as usize >= self.encoder.labels) {
            let fact = format!("there is no label {label}: the model knows {}", self.encoder.labels);
            return Err(Error::data(fact).help("labels count from 0; a model without labels takes none"));
        }
        let mut draws: Vec<Draws<'_>> = numbers.iter().map(|&number| host_draws(number)).collect();
        sampler::decode(self.rule, self.encoder.patches, &mut Asked { painter: self, labels }, &mut draws)
    }
}

/// Uniform numbers of the host: those of one picture are a stream of their own.
fn host_draws<'a>(number: u32) -> Draws<'a> {
    let stream = format!("picture {number}");
    Box::new(move |count| match count {
        0 => Ok(Vec::new()),
        _ => random::uniform_f64(&[count], &stream).to_vec(),
    })
}

/// The network behind labels.
struct Asked<'a> {
    painter: &'a Painter,
    labels: &'a [Option<u32>],
}

impl Network for Asked<'_> {
    fn logits(&mut self, pictures: &[Codes]) -> Result<Vec<Vec<f32>>> {
        let Painter { encoder, guidance, .. } = self.painter;
        let (none, weight) = (vec![None; self.labels.len()], *guidance);
        // What would be multiplied by 0 is not computed.
        if weight == 1.0 || encoder.labels == 0 {
            return encoder.logits_of_hidden(pictures, self.labels);
        }
        let without = encoder.logits_of_hidden(pictures, &none)?;
        if weight == 0.0 {
            return Ok(without);
        }
        let with = encoder.logits_of_hidden(pictures, self.labels)?;
        Ok(with.iter().zip(&without).map(|(with, without)| guided(with, without, weight)).collect())
    }
}

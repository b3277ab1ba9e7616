//! The blocks in turn: who sees whom in each, what they share, the norm at the end.

use plugin_api::nn::{Block, BlockCall, Memory, Norm, RelativeBias, RelativeBiasOptions, RelativePositions};
use plugin_api::prelude::*;

use crate::aggregate::Aggregate;
use crate::embeddings::{norm, positions};
use crate::layers;
use crate::settings::{Positions, TransformerSettings};

/// The blocks of a model, or of one half of an encoder–decoder.
pub(crate) struct Stack {
    blocks: Vec<Block>,
    /// Whether this is the decoder beside an encoder: causal, with attention to what that made.
    answers: bool,
    /// One for all blocks.
    bias: Option<RelativeBias>,
    relative: Option<RelativePositions>,
    aggregate: Option<Aggregate>,
    /// After the last block, where norms come before.
    final_norm: Option<Norm>,
}

impl Stack {
    /// The blocks of a model alone, or of an encoder.
    pub(crate) fn new(settings: &TransformerSettings, whole: &Scope) -> Result<Self> {
        Self::below(settings, &whole.at("encoder"), settings.num_layers, false)
    }

    /// The decoder beside an encoder, where there is one.
    pub(crate) fn answering(settings: &TransformerSettings, whole: &Scope) -> Result<Option<Self>> {
        let layers = settings.decoder_layers;
        (layers > 0).then(|| Self::below(settings, &whole.at("decoder"), layers, true)).transpose()
    }

    fn below(settings: &TransformerSettings, scope: &Scope, layers: usize, answers: bool) -> Result<Self> {
        let prefix = if answers { "decoder." } else { "" };
        let blocks = (0..layers).map(|index| layers::block(settings, index, &scope.at("layer"), prefix, answers));
        let bias = (settings.position_kind() == Positions::Relative).then(|| {
            let options = RelativeBiasOptions {
                buckets: settings.bias_buckets,
                maximum_distance: settings.bias_distance,
                ..RelativeBiasOptions::new(settings.num_heads, !answers && !settings.causal)
            };
            RelativeBias::new(&scope.at("relative_attention_bias"), options, Init::Normal(settings.initial_std))
        });
        let relative = settings
            .relative_terms()
            .map(|_| RelativePositions::new(&scope.at("rel_embeddings"), settings.width, settings.relative_options()));
        let aggregate = settings.aggregate.then(|| Aggregate::new(2 * layers, &scope.at("aggregate")));
        Ok(Self {
            blocks: blocks.collect::<Result<_>>()?,
            answers,
            bias: bias.transpose()?,
            relative: relative.transpose()?,
            aggregate: aggregate.transpose()?,
            final_norm: settings.pre_norm.then(|| norm(settings, &scope.at("LayerNorm"))).transpose()?,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Runs rows through the layers that the call asks for; with a state they follow those that it remembers. What the
    /// call wants on the way goes into `wanted`.
    pub(crate) fn run(
        &self,
        settings: &TransformerSettings,
        mut hidden_nd: Tensor,
        call: &Forward,
        state: Option<&State>,
        wanted: &mut Vec<(String, Tensor)>,
    ) -> Result<Tensor> {
        let layout = call.layout();
        let layers = call.layers(self.blocks.len());
        let mut earlier = match &self.aggregate {
            Some(_) if layers.start > 0 => {
                return Err(Error::unsupported(format!("layers {layers:?} need what left all earlier ones"))
                    .help("with `aggregate = true` run the layers from the first on"));
            }
            aggregate => aggregate.as_ref().map(|aggregate| aggregate.begin(&hidden_nd)),
        };
        let rotary = matches!(settings.position_kind(), Positions::Rotary(_));
        let positions_n = rotary.then(|| positions(call)).transpose()?;
        let past = state.map(State::lengths).transpose()?;
        let relative = self.relative.as_ref().map(|relative| relative.of(layout, past.as_ref())).transpose()?;
        let bias = match (&self.bias, state) {
            (Some(bias), Some(state)) => Some(bias.mask_behind(layout, state)?),
            (Some(bias), None) => Some(bias.mask(layout)?),
            (None, _) => None,
        };
        for (index, block) in self.blocks.iter().enumerate().take(layers.end).skip(layers.start) {
            let visible = self.visible(settings, index, call);
            let mask = [visible, bias.clone()].into_iter().flatten().reduce(|all, mask| all & mask);
            let memory = if self.answers { Some(memory(block, call, state)?) } else { None };
            let around = BlockCall::new(layout).positions(positions_n.as_ref()).mask(mask.as_ref());
            let around = around.relative(relative.as_ref()).memory(memory.as_ref()).state(state);
            hidden_nd = block.attend(&hidden_nd, around)?;
            if let Some(earlier) = &mut earlier {
                hidden_nd = earlier.mix(hidden_nd)?;
            }
            hidden_nd = block.feed(&hidden_nd, layout);
            if let Some(earlier) = &mut earlier {
                hidden_nd = earlier.mix(hidden_nd)?;
            }
            let name = format!("{}.output", block.name());
            if call.wants(&name) {
                wanted.push((name, hidden_nd.clone()));
            }
        }
        Ok(match &self.final_norm {
            Some(norm) if layers.end == self.blocks.len() => norm.apply(&hidden_nd),
            _ => hidden_nd,
        })
    }

    /// What rows see in a block: what the call says, else what the settings say; and what belongs to the model whatever
    /// the call.
    fn visible(&self, settings: &TransformerSettings, index: usize, call: &Forward) -> Option<Mask> {
        let causal = self.answers || settings.is_causal(index);
        let said = call.mask(index).or_else(|| causal.then(Mask::causal));
        let window = settings.window_of(index, causal).map(|(left, right)| Mask::window(left, right));
        let alibi = (settings.position_kind() == Positions::Alibi).then(|| Mask::alibi(settings.num_heads));
        [said, window, alibi].into_iter().flatten().reduce(|all, mask| all & mask)
    }
}

/// What a block of the decoder looks at: what the call gives, which a state keeps, or what that has kept.
fn memory(block: &Block, call: &Forward, state: Option<&State>) -> Result<Memory> {
    let name = format!("{}.memory", block.name());
    if let Some(rows_md) = call.input("memory")? {
        let memory = block.memory(&rows_md, &call.inputs().layout("memory")?);
        let memory =
            memory.ok_or_else(|| Error::unsupported(format!("block `{}` looks at no memory", block.name())))?;
        if let Some(state) = state {
            memory.keep(state, &name)?;
        }
        return Ok(memory);
    }
    let kept = state.map(|state| Memory::kept(state, &name)).transpose()?.flatten();
    kept.ok_or_else(|| {
        Error::data("the decoder has nothing to look at")
            .help("give `memory`, the hidden rows of the workflow `encode`, and `memory.layout`")
    })
}

//! The blocks in turn: who sees whom in each, what they share, the norm at the end.

use plugin_api::nn::{Block, BlockCall, Norm, RelativePositions};
use plugin_api::prelude::*;

use crate::aggregate::Aggregate;
use crate::embeddings::{norm, positions};
use crate::layers;
use crate::settings::{Positions, TransformerSettings};

/// The blocks of a model.
pub(crate) struct Stack {
    blocks: Vec<Block>,
    relative: Option<RelativePositions>,
    aggregate: Option<Aggregate>,
    /// After the last block, where norms come before.
    final_norm: Option<Norm>,
}

impl Stack {
    /// Makes it below `encoder`.
    pub(crate) fn new(settings: &TransformerSettings, whole: &Scope) -> Result<Self> {
        let scope = whole.at("encoder");
        let blocks = (0..settings.num_layers).map(|index| layers::block(settings, index, &scope.at("layer")));
        let relative = settings
            .relative_terms()
            .map(|_| RelativePositions::new(&scope.at("rel_embeddings"), settings.width, settings.relative_options()));
        let aggregate = settings.aggregate.then(|| Aggregate::new(2 * settings.num_layers, &scope.at("aggregate")));
        Ok(Self {
            blocks: blocks.collect::<Result<_>>()?,
            relative: relative.transpose()?,
            aggregate: aggregate.transpose()?,
            final_norm: settings.pre_norm.then(|| norm(settings, &scope.at("LayerNorm"))).transpose()?,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Runs rows through the layers that the call asks for; with a state they follow those that it remembers. What the call
    /// wants on the way goes into `wanted`.
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
        for (index, block) in self.blocks.iter().enumerate().take(layers.end).skip(layers.start) {
            let mask = visible(settings, index, call);
            let around = BlockCall::new(layout).positions(positions_n.as_ref()).mask(mask.as_ref());
            let around = around.relative(relative.as_ref()).state(state);
            hidden_nd = block.attend(&hidden_nd, around)?;
            if let Some(earlier) = &mut earlier {
                hidden_nd = earlier.mix(hidden_nd)?;
            }
            hidden_nd = block.feed(&hidden_nd, layout);
            if let Some(earlier) = &mut earlier {
                hidden_nd = earlier.mix(hidden_nd)?;
            }
            let name = format!("layers.{index}.output");
            if call.wants(&name) {
                wanted.push((name, hidden_nd.clone()));
            }
        }
        Ok(match &self.final_norm {
            Some(norm) if layers.end == self.blocks.len() => norm.apply(&hidden_nd),
            _ => hidden_nd,
        })
    }
}

/// What rows see in a block: what the call says, else what the settings say; and what belongs to the model whatever the call.
fn visible(settings: &TransformerSettings, index: usize, call: &Forward) -> Option<Mask> {
    let said = call.mask(index).or_else(|| settings.is_causal(index).then(Mask::causal));
    let window = settings.window_of(index).map(|(left, right)| Mask::window(left, right));
    let alibi = (settings.position_kind() == Positions::Alibi).then(|| Mask::alibi(settings.num_heads));
    [said, window, alibi].into_iter().flatten().reduce(|all, mask| all & mask)
}

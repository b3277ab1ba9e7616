//! Multi-head attention over rows.

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::mask::Mask;
use crate::nn::{Linear, LinearOptions, LowRank, Memory, Relative, RelativeTerms};
use crate::scope::Scope;
use crate::state::State;
use crate::tensor::{Activation, AttentionCall, Tensor};
use crate::weight::Init;

/// Rotary positions (Su et al. 2021, arXiv:2104.09864).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rotary {
    /// The base of the rates, 10000 in the paper.
    pub base: f64,
    /// Pairs are neighbours (the paper, GPT-J) instead of halves (GPT-NeoX, Llama).
    pub interleaved: bool,
    /// How many features of a head turn; `None`: all.
    pub dimensions: Option<usize>,
}

impl Default for Rotary {
    /// Base 10000, halves, all features.
    fn default() -> Self {
        Self { base: 10_000.0, interleaved: false, dimensions: None }
    }
}

/// Where the layers of an [`Attention`] lie below its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionNames<'a> {
    /// Queries.
    pub query: &'a str,
    /// Keys.
    pub key: &'a str,
    /// Values.
    pub value: &'a str,
    /// What comes out.
    pub output: &'a str,
    /// The gate of the values, where there is one.
    pub gate: &'a str,
    /// Queries and keys of relative positions, where they are not those of the rows.
    pub positions: [&'a str; 2],
}

impl AttentionNames<'_> {
    /// The names of [`Attention::new`].
    pub const USUAL: AttentionNames<'static> = AttentionNames {
        query: "query",
        key: "key",
        value: "value",
        output: "output",
        gate: "gate",
        positions: ["position_query", "position_key"],
    };
}

/// What an [`Attention`] is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionOptions {
    /// Features in and out.
    pub width: usize,
    /// Heads of the queries.
    pub num_heads: usize,
    /// Heads of keys and values (Ainslie et al. 2023, arXiv:2305.13245); divides `num_heads`.
    pub num_kv_heads: usize,
    /// Features of a head.
    pub head_dim: usize,
    /// With biases.
    pub bias: bool,
    /// Whether keys have a bias, where that differs; it changes no score that a softmax could tell (BEiT has none).
    pub key_bias: Option<bool>,
    /// Dropout on the attention maps.
    pub map_dropout: f64,
    /// Dropout on what comes out.
    pub dropout: f64,
    /// Rotary positions.
    pub rotary: Option<Rotary>,
    /// Relative positions in the scores, whose vectors come with each call.
    pub relative: Option<RelativeTerms>,
    /// What comes out of the heads is multiplied by GELU of a gate and normed without weights, with this added to
    /// variances, before the last layer (Charpentier and Samuel 2024, arXiv:2410.24159, section 3).
    pub gate: Option<f64>,
    /// Low-rank changes, for query, key, value and output in turn.
    pub low_rank: [Option<LowRank>; 4],
    /// What scores are multiplied by; `None`: 1/√`head_dim`. T5 takes 1.
    pub scale: Option<f64>,
    /// How queries, keys and values start.
    pub init: Init,
    /// How the last weight starts; deep models take it smaller.
    pub output_init: Init,
}

impl AttentionOptions {
    /// As many heads of keys as of queries, with biases, no dropout, no rotary positions.
    #[must_use]
    pub fn new(width: usize, num_heads: usize) -> Self {
        Self {
            width,
            num_heads,
            num_kv_heads: num_heads,
            head_dim: width / num_heads.max(1),
            bias: true,
            key_bias: None,
            map_dropout: 0.0,
            dropout: 0.0,
            rotary: None,
            relative: None,
            gate: None,
            low_rank: [None; 4],
            scale: None,
            init: Init::Normal(0.02),
            output_init: Init::Normal(0.02),
        }
    }

    fn check(&self) -> Result<()> {
        let Self { width, num_heads, num_kv_heads, head_dim, .. } = *self;
        if num_heads == 0 || head_dim == 0 {
            return Err(Error::setting("num_heads", format!("is {num_heads}, and heads have {head_dim} features"))
                .help(format!("choose between 1 and the width, {width}")));
        }
        if num_kv_heads == 0 || !num_heads.is_multiple_of(num_kv_heads) {
            return Err(Error::setting(
                "num_kv_heads",
                format!("is {num_kv_heads}, which does not divide {num_heads} heads"),
            ));
        }
        if self.relative.is_some() && num_kv_heads != num_heads {
            let fact = format!("is {num_kv_heads} beside {num_heads} heads with relative positions");
            return Err(Error::setting("num_kv_heads", fact).help("they need as many heads of keys as of queries"));
        }
        if let Some(Rotary { dimensions, .. }) = self.rotary {
            let turning = dimensions.unwrap_or(head_dim);
            if turning > head_dim || !turning.is_multiple_of(2) {
                let fact =
                    format!("turn {turning} of {head_dim} features of a head; it needs an even number, at most all");
                return Err(Error::new("plugin/setting", format!("rotary positions {fact}")));
            }
        }
        Ok(())
    }
}

/// Attention (Vaswani et al. 2017, arXiv:1706.03762, section 3.2). Weights: `query`, `key`, `value` and `output`; with
/// a gate `gate`, with relative positions that have layers of their own `position_query` and `position_key`.
#[derive(Clone)]
pub struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    gate: Option<(Linear, f64)>,
    /// Layers of relative positions for their queries and their keys.
    positions: [Option<Linear>; 2],
    options: AttentionOptions,
}

impl Attention {
    /// Makes it.
    ///
    /// # Errors
    /// When the heads do not fit or a name is taken.
    pub fn new(scope: &Scope, options: AttentionOptions) -> Result<Self> {
        Self::named(scope, &AttentionNames::USUAL, options)
    }

    /// Makes it with other names below the scope, for families that follow a published one.
    ///
    /// # Errors
    /// As [`Attention::new`].
    pub fn named(scope: &Scope, names: &AttentionNames<'_>, options: AttentionOptions) -> Result<Self> {
        options.check()?;
        let AttentionOptions { width, num_heads, num_kv_heads, head_dim, bias, init, output_init, .. } = options;
        let (features, key_features) = (num_heads * head_dim, num_kv_heads * head_dim);
        let inner = LinearOptions::new().bias(bias).init(init).axes("heads*head_dim,width");
        let of_values = inner.clone().axes("kv_heads*head_dim,width");
        let of_keys = of_values.clone().bias(options.key_bias.unwrap_or(bias));
        let of_output = LinearOptions::new().bias(bias).init(output_init).axes("width,heads*head_dim");
        let [query_rank, key_rank, value_rank, output_rank] = options.low_rank;
        let layer = |name: &str, outputs, options: &LinearOptions, rank| {
            Linear::new(&scope.at(name), width, outputs, &options.clone().low_rank(rank))
        };
        let gate = |epsilon| Ok((layer(names.gate, features, &inner, None)?, epsilon));
        let of_positions = |name, wanted: fn(&RelativeTerms) -> bool| {
            let own = options.relative.is_some_and(|terms| !terms.shared && wanted(&terms));
            own.then(|| layer(name, features, &inner, None)).transpose()
        };
        Ok(Self {
            query: layer(names.query, features, &inner, query_rank)?,
            key: layer(names.key, key_features, &of_keys, key_rank)?,
            value: layer(names.value, key_features, &of_values, value_rank)?,
            output: Linear::new(&scope.at(names.output), features, width, &of_output.low_rank(output_rank))?,
            gate: options.gate.map(gate).transpose()?,
            positions: [
                of_positions(names.positions[0], |terms| terms.position_to_content)?,
                of_positions(names.positions[1], |terms| terms.content_to_position)?,
            ],
            options,
        })
    }

    /// Rows `[n, width]` among themselves: the same shape. `positions` `[n]` turn queries and keys where rotary
    /// positions are asked for; those of the layout where `None`.
    #[track_caller]
    #[must_use]
    pub fn apply(&self, x_nd: &Tensor, layout: &Layout, positions: Option<&Tensor>, mask: Option<&Mask>) -> Tensor {
        let (query, key, value) = self.turned(x_nd, layout, positions);
        self.finish(x_nd, AttentionCall::new(&query, &key, &value, layout), layout, mask)
    }

    /// Rows `[n, width]` of a step of decoding, which look at themselves and at what `state` has under `name`: the same
    /// shape. Their keys and values join it.
    #[track_caller]
    #[must_use]
    pub fn apply_remembering(
        &self,
        x_nd: &Tensor,
        layout: &Layout,
        positions: Option<&Tensor>,
        mask: Option<&Mask>,
        (state, name): (&State, &str),
    ) -> Tensor {
        let (query, key, value) = self.turned(x_nd, layout, positions);
        self.finish(x_nd, AttentionCall::new(&query, &key, &value, layout).remember(state, name), layout, mask)
    }

    /// Rows `[n, width]` among themselves and those that `state` has under a name, with relative positions in the
    /// scores, which are multiplied by 1/√(head_dim · (1 + terms)) (He et al. 2020, arXiv:2006.03654, equation 4): the
    /// same shape.
    ///
    /// # Errors
    /// When what is remembered does not fit.
    #[track_caller]
    pub fn apply_relative(
        &self,
        x_nd: &Tensor,
        layout: &Layout,
        positions: Option<&Tensor>,
        mask: Option<&Mask>,
        relative: &Relative,
        past: Option<(&State, &str)>,
    ) -> Result<Tensor> {
        let terms = self.options.relative.unwrap_or_default();
        let (query, key, value) = self.turned(x_nd, layout, positions);
        let scale = 1.0 / (self.options.head_dim as f64 * (1.0 + f64::from(terms.count()))).sqrt();
        let [of_queries, of_keys] = &self.positions;
        let AttentionOptions { num_heads, head_dim, .. } = self.options;
        let heads_of = |own: &Option<Linear>, shared: &Linear| {
            split(own.as_ref().unwrap_or(shared), relative.vectors(), num_heads, head_dim) * scale
        };
        let mut bias = None;
        if terms.content_to_position {
            bias = Some(relative.content_to_position(&query, &heads_of(of_keys, &self.key), layout));
        }
        if terms.position_to_content {
            let remembered;
            let (keys, key_layout) = match past {
                Some((state, name)) => {
                    remembered = state.append(&format!("{name}.keys"), &key, layout)?;
                    (&remembered.0, &remembered.1)
                }
                None => (&key, layout),
            };
            let term = relative.position_to_content(keys, &heads_of(of_queries, &self.query), key_layout);
            bias = Some(bias.map_or_else(|| term.clone(), |bias| bias + &term));
        }
        let bias = bias.map(|bias| Mask::bias(&bias.contiguous()));
        let mask = match (mask, bias) {
            (Some(mask), Some(bias)) => Some(mask & bias),
            (mask, bias) => bias.or_else(|| mask.cloned()),
        };
        let call = AttentionCall::new(&query, &key, &value, layout).scale(scale);
        let call = past.map_or(call, |(state, name)| call.remember(state, name));
        Ok(self.finish(x_nd, call, layout, mask.as_ref()))
    }

    /// Queries `[n, h, k]`, keys and values `[n, g, k]` of rows `[n, width]` as [`Attention::apply`] compares and mixes them.
    #[track_caller]
    #[must_use]
    pub fn queries_keys_values(&self, x_nd: &Tensor, layout: &Layout, positions: Option<&Tensor>) -> [Tensor; 3] {
        self.turned(x_nd, layout, positions).into()
    }

    /// Queries, keys and values of rows, turned by their positions where that is asked for.
    #[track_caller]
    fn turned(&self, x_nd: &Tensor, layout: &Layout, positions: Option<&Tensor>) -> (Tensor, Tensor, Tensor) {
        let query = self.queries(x_nd);
        let (key, value) = self.keys_values(x_nd);
        let Some(Rotary { base, interleaved, dimensions }) = self.options.rotary else { return (query, key, value) };
        let positions = positions.cloned().unwrap_or_else(|| layout.positions());
        let turning = dimensions.unwrap_or(self.options.head_dim);
        let turn = |x: &Tensor| x.rotary(&positions, base, interleaved, turning);
        (turn(&query), turn(&key), value)
    }

    /// Keys and values of rows `[m, width]` that [`Attention::apply_cross`] looks at. Without rotary positions.
    #[track_caller]
    #[must_use]
    pub fn memory(&self, rows_md: &Tensor, layout: &Layout) -> Memory {
        let (key, value) = self.keys_values(rows_md);
        Memory { key, value, layout: layout.clone() }
    }

    /// Rows `[n, width]` looking at a memory: the shape of the rows. Without rotary positions.
    #[track_caller]
    #[must_use]
    pub fn apply_cross(&self, x_nd: &Tensor, layout: &Layout, memory: &Memory, mask: Option<&Mask>) -> Tensor {
        let query = self.queries(x_nd);
        let call = AttentionCall::new(&query, &memory.key, &memory.value, layout).keys_of(&memory.layout);
        self.finish(x_nd, call, layout, mask)
    }

    /// Queries `[n, h, k]`.
    #[track_caller]
    fn queries(&self, x_nd: &Tensor) -> Tensor {
        split(&self.query, x_nd, self.options.num_heads, self.options.head_dim)
    }

    /// Keys and values `[n, g, k]`.
    #[track_caller]
    fn keys_values(&self, x_nd: &Tensor) -> (Tensor, Tensor) {
        let AttentionOptions { num_kv_heads, head_dim, .. } = self.options;
        (split(&self.key, x_nd, num_kv_heads, head_dim), split(&self.value, x_nd, num_kv_heads, head_dim))
    }

    #[track_caller]
    fn finish<'a>(&self, x_nd: &Tensor, call: AttentionCall<'a>, layout: &Layout, mask: Option<&'a Mask>) -> Tensor {
        let call = call.dropout(self.options.map_dropout, "attention.maps");
        let call = self.options.scale.map_or(call, |scale| call.scale(scale));
        let context_nhk = mask.map_or(call, |mask| call.mask(mask)).apply();
        let features = (self.options.num_heads * self.options.head_dim) as i64;
        let mut context_nf = context_nhk.reshape(&[-1, features]);
        if let Some((gate, epsilon)) = &self.gate {
            context_nf = (context_nf * gate.apply_with(x_nd, Activation::Gelu)).layer_norm(None, None, *epsilon);
        }
        self.output.apply(&context_nf).dropout(self.options.dropout, Some(layout), "attention")
    }
}

#[track_caller]
fn split(linear: &Linear, x_nd: &Tensor, heads: usize, head_dim: usize) -> Tensor {
    linear.apply(x_nd).reshape(&[-1, heads as i64, head_dim as i64])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn heads_that_do_not_fit_are_refused() {
        assert!(AttentionOptions::new(128, 4).check().is_ok());
        let grouped = AttentionOptions { num_kv_heads: 3, ..AttentionOptions::new(128, 4) };
        assert_eq!(grouped.check().unwrap_err().text(), "setting `num_kv_heads` is 3, which does not divide 4 heads");
        let odd = AttentionOptions {
            rotary: Some(Rotary { dimensions: Some(7), ..Rotary::default() }),
            ..AttentionOptions::new(128, 4)
        };
        assert!(odd.check().unwrap_err().text().starts_with("rotary positions turn 7 of 32"));
        assert!(AttentionOptions::new(2, 4).check().is_err());
    }
}

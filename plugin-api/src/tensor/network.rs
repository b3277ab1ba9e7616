//! What networks are made of: products, norms, softmax, rotary positions, attention, dropout.

use std::panic::Location;

use lacuna_abi::{attribute as key, op};

use super::{AsTensor, Tensor, binary, integer, unary};
use crate::layout::Layout;
use crate::mask::Mask;
use crate::raw::{self, Attr, HostObject, one};
use crate::state::State;
use crate::weight::Weight;

/// A function after a linear layer or inside a gated one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// [`Tensor::gelu`].
    Gelu,
    /// [`Tensor::gelu_tanh`].
    GeluTanh,
    /// [`Tensor::relu`].
    Relu,
    /// [`Tensor::silu`].
    Silu,
    /// [`Tensor::sigmoid`]: the gate of the first GLU (Dauphin et al. 2017, arXiv:1612.08083).
    Sigmoid,
}

impl Activation {
    /// The names, as settings write them.
    pub const NAMES: [&'static str; 5] = ["gelu", "gelu_tanh", "relu", "silu", "sigmoid"];

    /// By its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "gelu" => Self::Gelu,
            "gelu_tanh" => Self::GeluTanh,
            "relu" => Self::Relu,
            "silu" => Self::Silu,
            "sigmoid" => Self::Sigmoid,
            _ => return None,
        })
    }

    /// Its name: what the boundary carries too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Relu => "relu",
            Self::Silu => "silu",
            Self::Sigmoid => "sigmoid",
        }
    }
}

impl Tensor {
    /// The matrix product of the last two axes; leading axes broadcast.
    #[track_caller]
    #[must_use]
    pub fn matmul(&self, other: impl AsTensor) -> Self {
        binary(op::MATMUL, self, &other, &[], Location::caller())
    }

    /// x `[.., i]` · weight `[o, i]`ᵀ + bias `[o]`, then the activation: `[.., o]`.
    #[track_caller]
    #[must_use]
    pub fn linear(&self, weight: impl AsTensor, bias: Option<&Weight>, activation: Option<Activation>) -> Self {
        let inputs = [Some(self.object()), Some(weight.object()), bias.map(HostObject::object)];
        let attributes = activation.map(|activation| Attr::Text(key::ACTIVATION, activation.name()));
        Self::from_object(one(op::LINEAR, &inputs, attributes.as_slice(), Location::caller()))
    }

    /// Of `[.., 2f]`: activation(first half) ∘ second half, `[.., f]` (Shazeer 2020, arXiv:2002.05202).
    #[track_caller]
    #[must_use]
    pub fn glu(&self, activation: Activation) -> Self {
        unary(op::GLU, self, &[Attr::Text(key::ACTIVATION, activation.name())], Location::caller())
    }

    /// Of ids `[..]`: the rows of `table` `[v, d]`, `[.., d]`.
    #[track_caller]
    #[must_use]
    pub fn embedding(&self, table: impl AsTensor) -> Self {
        binary(op::EMBEDDING, &table, self, &[], Location::caller())
    }

    /// Mean 0 and variance 1 along the last axis, then weight and bias (Ba et al. 2016, arXiv:1607.06450).
    #[track_caller]
    #[must_use]
    pub fn layer_norm(&self, weight: Option<&Weight>, bias: Option<&Weight>, epsilon: f64) -> Self {
        let inputs = [Some(self.object()), weight.map(HostObject::object), bias.map(HostObject::object)];
        Self::from_object(one(op::LAYER_NORM, &inputs, &[Attr::Float(key::EPSILON, epsilon)], Location::caller()))
    }

    /// Divided by the root mean square along the last axis, then weight (Zhang and Sennrich 2019, arXiv:1910.07467).
    #[track_caller]
    #[must_use]
    pub fn rms_norm(&self, weight: Option<&Weight>, epsilon: f64) -> Self {
        let inputs = [Some(self.object()), weight.map(HostObject::object)];
        Self::from_object(one(op::RMS_NORM, &inputs, &[Attr::Float(key::EPSILON, epsilon)], Location::caller()))
    }

    /// Normalised over each group of channels of `[b, c, ..]` (Wu and He 2018, arXiv:1803.08494).
    #[track_caller]
    #[must_use]
    pub fn group_norm(&self, groups: usize, weight: Option<&Weight>, bias: Option<&Weight>, epsilon: f64) -> Self {
        let inputs = [Some(self.object()), weight.map(HostObject::object), bias.map(HostObject::object)];
        let attributes = [Attr::Integer(key::GROUPS, integer(groups)), Attr::Float(key::EPSILON, epsilon)];
        Self::from_object(one(op::GROUP_NORM, &inputs, &attributes, Location::caller()))
    }

    /// Normalised over the batch (Ioffe and Szegedy 2015, arXiv:1502.03167), with the running `mean` and `variance`
    /// used in evaluation. Returns the result and the batch's own mean and variance, for the buffers.
    #[track_caller]
    #[must_use]
    pub fn batch_norm(
        &self,
        weight: Option<&Weight>,
        bias: Option<&Weight>,
        mean: impl AsTensor,
        variance: impl AsTensor,
        epsilon: f64,
    ) -> (Self, Self, Self) {
        let inputs = [
            Some(self.object()),
            weight.map(HostObject::object),
            bias.map(HostObject::object),
            Some(mean.object()),
            Some(variance.object()),
        ];
        let attributes = [Attr::Float(key::EPSILON, epsilon)];
        let [y, mean, variance] = raw::op(op::BATCH_NORM, &inputs, &attributes, Location::caller());
        (Self::from_object(y), Self::from_object(mean), Self::from_object(variance))
    }

    /// Shares that add up to 1 along the last axis.
    #[track_caller]
    #[must_use]
    pub fn softmax(&self) -> Self {
        unary(op::SOFTMAX, self, &[], Location::caller())
    }

    /// ln of [`Tensor::softmax`], without overflow.
    #[track_caller]
    #[must_use]
    pub fn log_softmax(&self) -> Self {
        unary(op::LOG_SOFTMAX, self, &[], Location::caller())
    }

    /// Of `[n, h, d]` at `positions` `[n]`: the first `dimensions` of d turned by position (Su et al. 2021,
    /// arXiv:2104.09864, section 3.2). Pairs are (i, i + dimensions/2), or neighbours where `interleaved`.
    #[track_caller]
    #[must_use]
    pub fn rotary(&self, positions: impl AsTensor, base: f64, interleaved: bool, dimensions: usize) -> Self {
        let attributes = [
            Attr::Float(key::BASE, base),
            Attr::Integer(key::INTERLEAVED, i64::from(interleaved)),
            Attr::Integer(key::DIMENSIONS, integer(dimensions)),
        ];
        binary(op::ROTARY, self, &positions, &attributes, Location::caller())
    }

    /// Dropout with draws that belong to the rows of `layout` and to `stream`, so that padding, packing and splitting
    /// change nothing; the identity in evaluation and at rate 0.
    #[track_caller]
    #[must_use]
    pub fn dropout(&self, rate: f64, layout: Option<&Layout>, stream: &str) -> Self {
        if rate == 0.0 {
            return self.clone();
        }
        let inputs = [Some(self.object()), layout.map(HostObject::object)];
        let attributes = [Attr::Float(key::RATE, rate), Attr::Text(key::STREAM, stream)];
        Self::from_object(one(op::DROPOUT, &inputs, &attributes, Location::caller()))
    }
}

/// Scaled dot-product attention over rows (Vaswani et al. 2017, arXiv:1706.03762, section 3.2): who sees whom is said
/// by layouts and mask, and padding is never computed.
///
/// ```no_run
/// # use plugin_api::prelude::*;
/// # fn show(q_nhk: &Tensor, k_ngk: &Tensor, v_ngd: &Tensor, layout: &Layout) -> Tensor {
/// AttentionCall::new(q_nhk, k_ngk, v_ngd, layout).mask(&Mask::causal()).apply()
/// # }
/// ```
#[derive(Clone, Copy)]
#[must_use]
pub struct AttentionCall<'a> {
    query: &'a Tensor,
    key: &'a Tensor,
    value: &'a Tensor,
    layout: &'a Layout,
    key_layout: Option<&'a Layout>,
    mask: Option<&'a Mask>,
    scale: Option<f64>,
    dropout: Option<(f64, &'a str)>,
    past: Option<(&'a State, &'a str)>,
}

impl<'a> AttentionCall<'a> {
    /// Queries `[n, h, k]`, keys `[m, g, k]`, values `[m, g, d]`; g divides h (grouped queries).
    pub fn new(query: &'a Tensor, key: &'a Tensor, value: &'a Tensor, layout: &'a Layout) -> Self {
        Self { query, key, value, layout, key_layout: None, mask: None, scale: None, dropout: None, past: None }
    }

    /// The layout of keys and values, where it is not that of the queries.
    pub fn keys_of(mut self, layout: &'a Layout) -> Self {
        self.key_layout = Some(layout);
        self
    }

    /// Who may see whom inside a segment; everybody without one.
    pub fn mask(mut self, mask: &'a Mask) -> Self {
        self.mask = Some(mask);
        self
    }

    /// What scores are multiplied by; 1/√k without one.
    pub fn scale(mut self, scale: f64) -> Self {
        self.scale = Some(scale);
        self
    }

    /// Dropout on the attention maps, with draws of `stream`.
    pub fn dropout(mut self, rate: f64, stream: &'a str) -> Self {
        self.dropout = (rate > 0.0).then_some((rate, stream));
        self
    }

    /// Keys and values join those that `state` has under `name`, and the queries see all of them; the layout is that of the
    /// step, for queries, keys and values alike. Without dropout and without a gradient.
    pub fn remember(mut self, state: &'a State, name: &'a str) -> Self {
        self.past = Some((state, name));
        self
    }

    /// `[n, h, d]`.
    #[track_caller]
    #[must_use]
    pub fn apply(&self) -> Tensor {
        if let Some((state, name)) = self.past {
            return self.run_past(state, name, Location::caller());
        }
        let [output] = self.run(false, Location::caller());
        Tensor::from_object(output)
    }

    /// `[n, h, d]` and the attention maps; the host then materialises them, which costs memory.
    #[track_caller]
    #[must_use]
    pub fn apply_with_maps(&self) -> (Tensor, Tensor) {
        let [output, maps] = self.run(true, Location::caller());
        (Tensor::from_object(output), Tensor::from_object(maps))
    }

    fn run_past(&self, state: &State, name: &str, at: &'static Location<'static>) -> Tensor {
        let inputs = [
            Some(self.query.object()),
            Some(self.key.object()),
            Some(self.value.object()),
            Some(self.layout.object()),
            Some(state.object()),
            self.mask.map(HostObject::object),
        ];
        let name = Attr::Text(key::STREAM, name);
        let of_scale;
        let attributes: &[Attr<'_>] = match self.scale {
            Some(scale) => {
                of_scale = [name, Attr::Float(key::SCALE, scale)];
                &of_scale
            }
            None => &[name],
        };
        Tensor::from_object(one(op::REMEMBERED_ATTENTION, &inputs, attributes, at))
    }

    fn run<const N: usize>(&self, maps: bool, at: &'static Location<'static>) -> [raw::Object; N] {
        let inputs = [
            Some(self.query.object()),
            Some(self.key.object()),
            Some(self.value.object()),
            Some(self.layout.object()),
            self.key_layout.map(HostObject::object),
            self.mask.map(HostObject::object),
        ];
        let mut attributes = vec![Attr::Integer(key::MAPS, i64::from(maps))];
        attributes.extend(self.scale.map(|scale| Attr::Float(key::SCALE, scale)));
        if let Some((rate, stream)) = self.dropout {
            attributes.extend([Attr::Float(key::RATE, rate), Attr::Text(key::STREAM, stream)]);
        }
        raw::op(op::ATTENTION, &inputs, &attributes, at)
    }
}

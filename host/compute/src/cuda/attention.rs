//! Attention: tiles of queries and keys in shared memory, scores never written out unless a bias wants their gradient.

use philox::Key;

use super::attention_plan::{Plan, Terms, Tiling};
use super::calls::{Attention, Pointer};
use super::launch::{Launch, Output, shared_limit};
use super::modules::Module;
use super::{real, takes};
use crate::layout::Layout;
use crate::mask::Mask;
use crate::{Error, Result, Tensor, Value};

/// One call of attention, checked already.
pub(crate) struct Request {
    pub(crate) queries: Layout,
    pub(crate) keys: Layout,
    /// Without gradients.
    pub(crate) mask: Mask,
    pub(crate) scale: f64,
    /// A rate above 0 and below 1.
    pub(crate) dropout: Option<(f64, Key)>,
}

/// A call with everything the kernels read beside the results of other kernels.
struct Prepared {
    request: Request,
    q: Value,
    k: Value,
    v: Value,
    terms: Terms,
}

/// The output of attention, or `None` for what the kernels don't take: heads of more than 256 features, several dense masks or
/// biases, no rows. `biases` are those of the mask, which get gradients.
pub(crate) fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    biases: &[&Tensor],
    request: Request,
) -> Result<Option<Tensor>> {
    if ![q, k, v].iter().all(|tensor| takes(tensor.value())) {
        return Ok(None);
    }
    let computed = real(q.value().dtype());
    let Some(terms) = Terms::new(&request.queries, &request.mask, request.dropout, computed, q.device())? else {
        return Ok(None);
    };
    let (q_value, k_value, v_value) = (q.value().contiguous()?, k.value().contiguous()?, v.value().contiguous()?);
    let prepared = Prepared { request, q: q_value, k: k_value, v: v_value, terms };
    let (Some(forward), Some(backward)) = (prepared.tiling(false)?, prepared.tiling(true)?) else { return Ok(None) };
    let plan = prepared.plan(forward)?;
    let (output, lse) = prepared.forward(&plan, forward)?;
    let mut inputs = vec![q, k, v];
    inputs.extend(biases);
    let bias_dtype = biases.first().map(|bias| bias.value().dtype());
    let kept = output.clone();
    Ok(Some(Tensor::from_op("attention", output, &inputs, move |gradient, needs| {
        let replanned = if backward.tile == forward.tile { None } else { Some(prepared.plan(backward)?) };
        let pass = Backward {
            prepared: &prepared,
            plan: replanned.as_ref().unwrap_or(&plan),
            tiling: backward,
            gradient: &gradient.contiguous()?,
            lse: &lse,
            level: &prepared.level(&kept, gradient)?,
        };
        let mut gradients = vec![None; needs.len()];
        let wants_bias = needs.get(3) == Some(&true);
        if needs[0] || wants_bias {
            let (dq, dscores) = pass.queries(wants_bias)?;
            gradients[0] = Some(dq);
            if let (Some(dscores), Some(dtype)) = (dscores, bias_dtype) {
                gradients[3] = Some(summed(dscores, prepared.terms.bias_dims)?.to_dtype(dtype)?);
            }
        }
        if needs[1] || needs[2] {
            let (dk, dv) = pass.keys()?;
            (gradients[1], gradients[2]) = (Some(dk), Some(dv));
        }
        Ok(gradients)
    })))
}

/// Gradients of all scores summed over the axes that a bias of these dims is broadcast along; zeros where it is longer.
fn summed(mut dscores: Value, dims: [usize; 4]) -> Result<Value> {
    for (axis, length) in dims.into_iter().enumerate() {
        if length == 1 && dscores.dims()[axis] != 1 {
            dscores = dscores.sum_keepdim(axis)?;
        }
        let missing = length.saturating_sub(dscores.dims()[axis]);
        if missing > 0 {
            dscores = dscores.pad_with_zeros(axis, 0, missing)?;
        }
    }
    Ok(dscores)
}

impl Prepared {
    fn widths(&self) -> (usize, usize) {
        (self.q.dims()[2], self.v.dims()[2])
    }

    fn heads(&self) -> (usize, usize) {
        (self.q.dims()[1], self.k.dims()[1])
    }

    fn tiling(&self, backward: bool) -> Result<Option<Tiling>> {
        let (width, value_width) = self.widths();
        let longest = self.request.queries.longest().max(self.request.keys.longest());
        let bytes = real(self.q.dtype()).size_in_bytes();
        Ok(Tiling::of(width, value_width, bytes, shared_limit(&self.q)?, longest, backward))
    }

    fn plan(&self, tiling: Tiling) -> Result<Plan> {
        Plan::new(&self.request.queries, &self.request.keys, &self.request.mask, tiling.tile, self.q.device())
    }

    /// Runs a kernel that reads q, k, v, the plan and the mask, and three more values; `with` adds what else it needs.
    fn run<const O: usize>(
        &self,
        launch: &Launch,
        plan: &Plan,
        [gradient, lse, level]: [Option<&Value>; 3],
        outputs: [Option<Output>; O],
        with: impl FnOnce(&mut Attention, [Pointer; O]),
    ) -> Result<[Option<Value>; O]> {
        let Self { terms, request, .. } = self;
        let inputs = [
            Some(&self.q),
            Some(&self.k),
            Some(&self.v),
            Some(&plan.numbers),
            gradient,
            lse,
            level,
            terms.slopes.as_ref(),
            terms.visible.as_ref(),
            terms.dense.as_ref(),
            terms.bias.as_ref(),
            terms.row_keys.as_ref(),
        ];
        launch.run(
            inputs,
            outputs,
            |[q, k, v, numbers, gradient, lse, level, slopes, visible, dense, bias, row_keys], made| {
                let parts = plan.parts(numbers);
                let ((heads, key_heads), (width, value_width)) = (self.heads(), self.widths());
                let mut call = Attention {
                    q,
                    k,
                    v,
                    gradient,
                    output: 0,
                    lse,
                    level,
                    dq: 0,
                    dk: 0,
                    dv: 0,
                    dscores: 0,
                    query_tiles: parts.query_tiles,
                    key_tiles: parts.key_tiles,
                    query_offsets: parts.query_offsets,
                    key_offsets: parts.key_offsets,
                    range_starts: parts.range_starts,
                    range_ends: parts.range_ends,
                    query_positions: parts.query_positions,
                    key_positions: parts.key_positions,
                    slopes,
                    visible,
                    dense,
                    bias,
                    row_keys,
                    heads: heads as i64,
                    key_heads: key_heads as i64,
                    width: width as i64,
                    value_width: value_width as i64,
                    queries: request.queries.tokens() as i64,
                    longest_queries: request.queries.longest() as i64,
                    longest_keys: request.keys.longest() as i64,
                    dense_strides: terms.dense_strides,
                    bias_strides: terms.bias_strides,
                    dropout_limit: terms.dropout_limit,
                    dropout_factor: terms.dropout_factor,
                    scale: request.scale,
                };
                with(&mut call, made);
                call
            },
        )
    }

    /// The output, and the log-sum-exp `[heads, queries]`.
    fn forward(&self, plan: &Plan, tiling: Tiling) -> Result<(Value, Value)> {
        let (heads, _) = self.heads();
        let rows = self.request.queries.tokens();
        let launch = Launch {
            module: Module::AttentionForward,
            name: &format!("attention_forward_{}_{}", tiling.tile, tiling.columns),
            elements: self.q.dtype(),
            grid: [plan.query_tiles, heads],
            block: [tiling.threads(), 1],
            shared: tiling.shared,
        };
        let outputs = [
            Some(Output::new(self.q.dtype(), &[rows, heads, self.widths().1])),
            Some(Output::new(real(self.q.dtype()), &[heads, rows])),
        ];
        let [output, lse] = self.run(&launch, plan, [None; 3], outputs, |call, [output, lse]| {
            (call.output, call.lse) = (output, lse);
        })?;
        output.zip(lse).ok_or_else(lost)
    }

    /// Output times gradient of each query and head, `[heads, queries]`.
    fn level(&self, output: &Value, gradient: &Value) -> Result<Value> {
        let (heads, rows) = (self.heads().0, self.request.queries.tokens());
        let elements = self.q.dtype();
        let launch = Launch::by_warps(Module::AttentionBackward, "attention_level", elements, rows * heads);
        let (value_width, computed) = (self.widths().1, real(elements));
        let inputs = [Some(output), Some(gradient)];
        launch.run_one(inputs, Output::new(computed, &[heads, rows]), |[output, gradient], level| Attention {
            output,
            gradient,
            level,
            heads: heads as i64,
            queries: rows as i64,
            value_width: value_width as i64,
            ..Attention::default()
        })
    }
}

fn lost() -> Error {
    Error::argument("attention", "lost an output")
}

/// What both kernels of the backward pass read.
struct Backward<'a> {
    prepared: &'a Prepared,
    plan: &'a Plan,
    tiling: Tiling,
    gradient: &'a Value,
    lse: &'a Value,
    level: &'a Value,
}

impl Backward<'_> {
    fn launch<'b>(&self, name: &'b str, grid: [usize; 2]) -> Launch<'b> {
        Launch {
            module: Module::AttentionBackward,
            name,
            elements: self.prepared.q.dtype(),
            grid,
            block: [self.tiling.threads(), 1],
            shared: self.tiling.shared,
        }
    }

    fn name(&self, side: &str) -> String {
        format!("attention_backward_{side}_{}_{}", self.tiling.tile, self.tiling.columns)
    }

    /// The gradient of q, and those of all scores `[segments, heads, queries, keys]` where a bias wants them.
    fn queries(&self, wants_bias: bool) -> Result<(Value, Option<Value>)> {
        let Prepared { request, q, .. } = self.prepared;
        let heads = self.prepared.heads().0;
        let shape = [request.queries.segments(), heads, request.queries.longest(), request.keys.longest()];
        let dscores = wants_bias.then(|| Output { zeroed: true, ..Output::new(real(q.dtype()), &shape) });
        let inputs = [Some(self.gradient), Some(self.lse), Some(self.level)];
        let name = self.name("queries");
        let launch = self.launch(&name, [self.plan.query_tiles, heads]);
        let outputs = [Some(Output::like(q)), dscores];
        let [dq, dscores] = self.prepared.run(&launch, self.plan, inputs, outputs, |call, [dq, dscores]| {
            (call.dq, call.dscores) = (dq, dscores);
        })?;
        Ok((dq.ok_or_else(lost)?, dscores))
    }

    /// The gradients of k and v.
    fn keys(&self) -> Result<(Value, Value)> {
        let Prepared { k, v, .. } = self.prepared;
        let inputs = [Some(self.gradient), Some(self.lse), Some(self.level)];
        let name = self.name("keys");
        let launch = self.launch(&name, [self.plan.key_tiles, self.prepared.heads().1]);
        let outputs = [Some(Output::like(k)), Some(Output::like(v))];
        let [dk, dv] = self.prepared.run(&launch, self.plan, inputs, outputs, |call, [dk, dv]| {
            (call.dk, call.dv) = (dk, dv);
        })?;
        dk.zip(dv).ok_or_else(lost)
    }
}

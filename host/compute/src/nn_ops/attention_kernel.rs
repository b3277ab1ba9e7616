//! Forward and backward of attention on the CPU: one task per segment and head, tiles of queries inside.

use rayon::prelude::*;

use super::attention_call::{Call, Place, Sizes, Tile};
use philox::rate_limit;

use crate::kernel::{HeadPart, HeadRows, Matrix, Real, dot, exp_sum, max, product, scale, slice, value_as, vectorised};
use crate::mask::{Term, start_of};
use crate::random::{BLOCKS, fill_blocks};
use crate::{Result, Value};

pub(super) struct Saved {
    pub(super) q: Value,
    pub(super) k: Value,
    pub(super) v: Value,
}

/// What the tasks read.
struct Inputs<'a, T> {
    call: &'a Call,
    q: &'a [T],
    k: &'a [T],
    v: &'a [T],
    /// Elements of the mask's biases, in the order of its terms.
    biases: Vec<Vec<T>>,
}

impl<T: Real> Inputs<'_, T> {
    /// Rows of one head of a tensor `[rows, heads, width]`.
    fn rows<'b>(&self, data: &'b [T], row: usize, count: usize, head: (usize, usize), width: usize) -> Matrix<'b, T> {
        let stride = head.1 * width;
        Matrix::new(&data[(row * stride + head.0 * width).min(data.len())..], count, width, stride)
    }

    fn q(&self, place: Place, tile: Tile, head: usize) -> Matrix<'_, T> {
        let Sizes { heads, width, .. } = self.call.sizes;
        self.rows(self.q, place.query_start + tile.first, tile.rows, (head, heads), width)
    }

    fn k(&self, place: Place, tile: Tile, key_head: usize) -> Matrix<'_, T> {
        let Sizes { key_heads, width, .. } = self.call.sizes;
        self.rows(self.k, place.key_start + tile.start, tile.keys(), (key_head, key_heads), width)
    }

    fn v(&self, place: Place, tile: Tile, key_head: usize) -> Matrix<'_, T> {
        let Sizes { key_heads, value_width, .. } = self.call.sizes;
        self.rows(self.v, place.key_start + tile.start, tile.keys(), (key_head, key_heads), value_width)
    }

    /// Scores of a tile with biases, minus infinity where nothing is seen.
    fn scores(&self, scores: &mut Vec<T>, place: Place, tile: Tile, head: usize) {
        let Sizes { heads, key_heads, .. } = self.call.sizes;
        let keys = tile.keys();
        scores.resize(tile.rows * keys, T::zero());
        let (q, k) = (self.q(place, tile, head), self.k(place, tile, head / (heads / key_heads)));
        product(scores, keys, false, T::of(self.call.scale), q, k.transposed(), false);
        if !self.call.mask.terms().is_empty() {
            for (index, row) in scores.chunks_mut(keys).enumerate() {
                self.mask_row(row, place, tile, tile.first + index, head);
            }
        }
    }

    fn mask_row(&self, row: &mut [T], place: Place, tile: Tile, query: usize, head: usize) {
        let call = self.call;
        let mut biases = self.biases.iter();
        for term in call.mask.terms() {
            match term {
                Term::Causal | Term::Prefix(_) | Term::Window(..) => {}
                Term::Keys(visible) => hide(row, &visible[place.key_start + tile.start..]),
                Term::Dense(visible, dims) => {
                    hide(row, &visible[start_of(dims, place.segment, head, query) + tile.start..])
                }
                Term::Bias(_, dims) => {
                    if let Some(bias) = biases.next() {
                        let bias = &bias[start_of(dims, place.segment, head, query) + tile.start..];
                        row.iter_mut().zip(bias).for_each(|(score, bias)| *score += *bias);
                    }
                }
                Term::Alibi(slopes) => {
                    let position = call.queries.positions()[place.query_start + query];
                    let positions = &call.keys.positions()[place.key_start + tile.start..];
                    distances(row, positions, position, T::of(slopes[head]));
                }
            }
        }
        let (start, end) = call.mask.range(place.segment, query, place.queries, place.keys);
        let local = |key: usize| key.clamp(tile.start, tile.end) - tile.start;
        row[..local(start)].fill(T::MINUS_INFINITY);
        row[local(end)..].fill(T::MINUS_INFINITY);
    }

    /// 0 or 1 / (1 - rate) for each key of the tile.
    fn dropout_row(&self, factors: &mut [T], place: Place, tile: Tile, query: usize, head: usize) {
        let Some((rate, key)) = self.call.dropout else { return factors.fill(T::one()) };
        let position = self.call.queries.positions()[place.query_start + query];
        let key = key.at(self.call.queries.row_keys()[place.segment]).at(u64::from(position));
        let (limit, factor) = (rate_limit(1.0 - rate), T::of(1.0 / (1.0 - rate)));
        const GROUP: usize = 4 * BLOCKS;
        let mut blocks = [[0; 4]; BLOCKS];
        let mut done = 0;
        while done < factors.len() {
            let start = tile.start + done;
            let (group, skip) = (start / GROUP, start % GROUP);
            fill_blocks::<f32>(key.bits(), (head as u64) << 32 | (group * BLOCKS) as u64, &mut blocks);
            let count = (GROUP - skip).min(factors.len() - done);
            for (out, word) in factors[done..done + count].iter_mut().zip(&blocks.as_flattened()[skip..]) {
                *out = if (*word >> 9) < limit { factor } else { T::zero() };
            }
            done += count;
        }
    }
}

vectorised! {
    fn hide<T>(row: &mut [T], visible: &[u8]) {
        for (score, visible) in row.iter_mut().zip(visible) {
            *score = if *visible == 0 { T::MINUS_INFINITY } else { *score };
        }
    }
}

vectorised! {
    fn distances<T>(row: &mut [T], positions: &[u32], position: u32, slope: T) {
        for (score, other) in row.iter_mut().zip(positions) {
            *score -= slope * T::of(f64::from(other.abs_diff(position)));
        }
    }
}

/// The result `[n, h, dv]`, and the log-sum-exp of each segment and head (minus infinity for a query that sees nothing).
pub(super) fn forward<T: Real>(call: &Call, saved: &Saved) -> Result<(Value, Vec<Vec<T>>)> {
    let Sizes { heads, value_width, .. } = call.sizes;
    slice!(q: T = &saved.q);
    slice!(k: T = &saved.k);
    slice!(v: T = &saved.v);
    let inputs = Inputs { call, q, k, v, biases: bias_elements(call)? };
    let tasks = call.queries.segments() * heads;
    let (output, lse) = HeadRows::build(call.queries.offsets(), heads, value_width, |output| -> Vec<Vec<T>> {
        let task = |task: usize| {
            let (place, head) = (call.place(task / heads), task % heads);
            forward_of_head(&inputs, place, head, output.take(place.segment, head))
        };
        (0..tasks).into_par_iter().map(task).collect()
    });
    Ok((value_as(output, &[call.queries.tokens(), heads, value_width], saved.q.dtype())?, lse))
}

/// Writes the output of one head and gives the log-sum-exp of each query.
fn forward_of_head<T: Real>(inputs: &Inputs<T>, place: Place, head: usize, mut output: HeadPart<T>) -> Vec<T> {
    let call = inputs.call;
    let mut lse = vec![T::MINUS_INFINITY; place.queries];
    let (mut scores, mut factors) = (Vec::new(), Vec::new());
    for tile in call.tiles(place) {
        if tile.keys() == 0 {
            output.clear(tile.first, tile.rows);
            continue;
        }
        inputs.scores(&mut scores, place, tile, head);
        for (index, row) in scores.chunks_mut(tile.keys()).enumerate() {
            let query = tile.first + index;
            let shift = max(row);
            if shift == T::MINUS_INFINITY {
                row.fill(T::zero());
                continue;
            }
            let total = exp_sum(row, shift);
            lse[query] = shift + total.ln();
            scale(row, T::one() / total);
            if call.dropout.is_some() {
                factors.resize(tile.keys(), T::zero());
                inputs.dropout_row(&mut factors, place, tile, query, head);
                row.iter_mut().zip(&factors).for_each(|(p, factor)| *p *= *factor);
            }
        }
        let probabilities = Matrix::new(&scores, tile.rows, tile.keys(), tile.keys());
        let values = inputs.v(place, tile, head / (call.sizes.heads / call.sizes.key_heads));
        output.product(tile.first, false, T::one(), probabilities, values);
    }
    lse
}

fn bias_elements<T: Real>(call: &Call) -> Result<Vec<Vec<T>>> {
    call.mask
        .biases()
        .into_iter()
        .map(|bias| {
            slice!(elements: T = bias.value());
            Ok(elements.to_vec())
        })
        .collect()
}

pub(super) fn backward<T: Real>(
    call: &Call,
    saved: &Saved,
    output: &Value,
    lse: &[Vec<T>],
    gradient: &Value,
    needs: &[bool],
) -> Result<Vec<Option<Value>>> {
    let Sizes { heads, key_heads, width, value_width } = call.sizes;
    slice!(q: T = &saved.q);
    slice!(k: T = &saved.k);
    slice!(v: T = &saved.v);
    slice!(o: T = output);
    slice!(g: T = gradient);
    let inputs = Inputs { call, q, k, v, biases: bias_elements(call)? };
    let wants_bias = needs[3..].iter().any(|needed| *needed);
    let pass = Backward { inputs: &inputs, o, g, lse, wants_bias };
    let (queries, keys) = (call.queries.offsets(), call.keys.offsets());
    let (dq, (dk, (dv, dscores))) = HeadRows::build(queries, heads, width, |dq| {
        HeadRows::build(keys, key_heads, width, |dk| {
            HeadRows::build(keys, key_heads, value_width, |dv| -> Vec<Vec<T>> {
                let tasks = (0..call.queries.segments() * key_heads).into_par_iter();
                tasks.map(|task| pass.of_key_head(call.place(task / key_heads), task % key_heads, dq, dk, dv)).collect()
            })
        })
    });
    let mut gradients = bias_gradients(call, &dscores, needs)?;
    let whole = |parts: Vec<T>, rows: usize, heads: usize, width: usize, needed: bool| -> Result<Option<Value>> {
        needed.then(|| value_as(parts, &[rows, heads, width], saved.q.dtype())).transpose()
    };
    gradients[0] = whole(dq, call.queries.tokens(), heads, width, needs[0])?;
    gradients[1] = whole(dk, call.keys.tokens(), key_heads, width, needs[1])?;
    gradients[2] = whole(dv, call.keys.tokens(), key_heads, value_width, needs[2])?;
    Ok(gradients)
}

/// What the tasks of the backward pass read.
struct Backward<'a, T> {
    inputs: &'a Inputs<'a, T>,
    o: &'a [T],
    g: &'a [T],
    lse: &'a [Vec<T>],
    wants_bias: bool,
}

impl<T: Real> Backward<'_, T> {
    /// Writes the gradients of a key head and of the query heads of its group; gives those of scores `[group, queries,
    /// keys]` where a bias wants them.
    fn of_key_head(
        &self,
        place: Place,
        key_head: usize,
        dq: &HeadRows<T>,
        dk: &HeadRows<T>,
        dv: &HeadRows<T>,
    ) -> Vec<T> {
        let Self { inputs, o, g, wants_bias, .. } = *self;
        let call = inputs.call;
        let Sizes { heads, key_heads, value_width, .. } = call.sizes;
        let group = heads / key_heads;
        let (mut dk, mut dv) = (dk.take(place.segment, key_head), dv.take(place.segment, key_head));
        dk.clear(0, place.keys);
        dv.clear(0, place.keys);
        let mut dscores = vec![T::zero(); if wants_bias { group * place.queries * place.keys } else { 0 }];
        let (mut scores, mut dropped, mut slopes, mut factors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for member in 0..group {
            let head = key_head * group + member;
            let lse = &self.lse[place.segment * heads + head];
            let mut dq = dq.take(place.segment, head);
            for tile in call.tiles(place) {
                let keys = tile.keys();
                if keys == 0 {
                    dq.clear(tile.first, tile.rows);
                    continue;
                }
                let row_of = |index: usize| (place.query_start + tile.first + index) * heads + head;
                let dout = inputs.rows(g, place.query_start + tile.first, tile.rows, (head, heads), value_width);
                inputs.scores(&mut scores, place, tile, head);
                for (index, row) in scores.chunks_mut(keys).enumerate() {
                    let level = lse[tile.first + index];
                    if level == T::MINUS_INFINITY {
                        row.fill(T::zero());
                    } else {
                        exp_sum(row, level);
                    }
                }
                slopes.resize(tile.rows * keys, T::zero());
                let values = inputs.v(place, tile, key_head).transposed();
                product(&mut slopes, keys, false, T::one(), dout, values, false);
                let used = if call.dropout.is_some() {
                    factors.resize(keys, T::zero());
                    dropped.clear();
                    dropped.extend_from_slice(&scores);
                    for (index, (row, slopes)) in dropped.chunks_mut(keys).zip(slopes.chunks_mut(keys)).enumerate() {
                        inputs.dropout_row(&mut factors, place, tile, tile.first + index, head);
                        for ((p, slope), factor) in row.iter_mut().zip(slopes).zip(&factors) {
                            *p *= *factor;
                            *slope *= *factor;
                        }
                    }
                    &dropped
                } else {
                    &scores
                };
                dv.product(tile.start, true, T::one(), Matrix::new(used, tile.rows, keys, keys).transposed(), dout);
                for (index, (p, slope)) in scores.chunks(keys).zip(slopes.chunks_mut(keys)).enumerate() {
                    let row = row_of(index) * value_width..(row_of(index) + 1) * value_width;
                    score_gradient(slope, p, dot(&o[row.clone()], &g[row]));
                    if wants_bias {
                        let start = (member * place.queries + tile.first + index) * place.keys + tile.start;
                        dscores[start..start + keys].copy_from_slice(slope);
                    }
                }
                let (factor, slopes) = (T::of(call.scale), Matrix::new(&slopes, tile.rows, keys, keys));
                dq.product(tile.first, false, factor, slopes, inputs.k(place, tile, key_head));
                dk.product(tile.start, true, factor, slopes.transposed(), inputs.q(place, tile, head));
            }
        }
        dscores
    }
}

vectorised! {
    fn score_gradient<T>(slope: &mut [T], p: &[T], level: T) {
        for (slope, p) in slope.iter_mut().zip(p) {
            // A hidden key may hold anything: 0 times infinity is not 0.
            *slope = if *p == T::zero() { T::zero() } else { *p * (*slope - level) };
        }
    }
}

/// Places for q, k and v, then the gradient of each bias: score gradients summed over the axes it is broadcast along.
fn bias_gradients<T: Real>(call: &Call, parts: &[Vec<T>], needs: &[bool]) -> Result<Vec<Option<Value>>> {
    let Sizes { heads, key_heads, .. } = call.sizes;
    let group = heads / key_heads;
    let mut gradients = vec![None; needs.len()];
    let biases = call
        .mask
        .terms()
        .iter()
        .filter_map(|term| if let Term::Bias(bias, dims) = term { Some((bias, dims)) } else { None });
    for (slot, (bias, dims)) in biases.enumerate().filter(|(slot, _)| needs[3 + slot]) {
        let mut total = vec![T::zero(); dims.iter().product()];
        for (task, part) in parts.iter().enumerate() {
            let place = call.place(task / key_heads);
            if place.keys == 0 {
                continue;
            }
            for (index, row) in part.chunks(place.keys).enumerate() {
                let (member, query) = (index / place.queries, index % place.queries);
                let start = start_of(dims, place.segment, task % key_heads * group + member, query);
                total[start..start + place.keys].iter_mut().zip(row).for_each(|(sum, slope)| *sum += *slope);
            }
        }
        gradients[3 + slot] = Some(value_as(total, dims, bias.value().dtype())?);
    }
    Ok(gradients)
}

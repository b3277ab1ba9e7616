//! Forward and backward of attention on the CPU: one task per segment and head, tiles of queries inside.

use rayon::prelude::*;

use super::attention_call::{Call, Place, Sizes, Tile};
use philox::rate_limit;

use crate::kernel::{Matrix, Real, dot, exp_sum, max, over_rows, product, scale, slice, value_as, vectorised};
use crate::layout::Layout;
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
    let Sizes { heads, key_heads, value_width, .. } = call.sizes;
    slice!(q: T = &saved.q);
    slice!(k: T = &saved.k);
    slice!(v: T = &saved.v);
    let inputs = Inputs { call, q, k, v, biases: bias_elements(call)? };
    let (outputs, lse): (Vec<Vec<T>>, Vec<Vec<T>>) = (0..call.queries.segments() * heads)
        .into_par_iter()
        .map(|task| {
            let (place, head) = (call.place(task / heads), task % heads);
            let mut output = vec![T::zero(); place.queries * value_width];
            let mut lse = vec![T::MINUS_INFINITY; place.queries];
            let (mut scores, mut factors) = (Vec::new(), Vec::new());
            for tile in call.tiles(place).filter(|tile| tile.keys() > 0) {
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
                let out = &mut output[tile.first * value_width..];
                let probabilities = Matrix::new(&scores, tile.rows, tile.keys(), tile.keys());
                product(
                    out,
                    value_width,
                    false,
                    T::one(),
                    probabilities,
                    inputs.v(place, tile, head / (heads / key_heads)),
                    false,
                );
            }
            (output, lse)
        })
        .unzip();
    let output = assembled(&outputs, &call.queries, heads, value_width);
    Ok((value_as(output, &[call.queries.tokens(), heads, value_width], saved.q.dtype())?, lse))
}

/// Puts results of tasks (segment, head), each `[rows of the segment, width]`, together to `[n, heads, width]`.
fn assembled<T: Real>(parts: &[Vec<T>], layout: &Layout, heads: usize, width: usize) -> Vec<T> {
    let mut whole = vec![T::zero(); layout.tokens() * heads * width];
    over_rows(&mut whole, heads * width, |first, chunk| {
        let mut segment = layout.segment_of_row(first);
        for (index, row) in chunk.chunks_mut(heads * width).enumerate() {
            while first + index >= layout.offsets()[segment + 1] {
                segment += 1;
            }
            let local = first + index - layout.offsets()[segment];
            for (head, out) in row.chunks_mut(width).enumerate() {
                out.copy_from_slice(&parts[segment * heads + head][local * width..(local + 1) * width]);
            }
        }
    });
    whole
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

/// Gradients that one task (segment, key head) gives.
struct Parts<T> {
    /// One for each query head of the group.
    dq: Vec<Vec<T>>,
    dk: Vec<T>,
    dv: Vec<T>,
    /// Gradients of scores `[group, queries, keys]` where a bias wants them.
    dscores: Vec<T>,
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
    let group = heads / key_heads;
    slice!(q: T = &saved.q);
    slice!(k: T = &saved.k);
    slice!(v: T = &saved.v);
    slice!(o: T = output);
    slice!(g: T = gradient);
    let inputs = Inputs { call, q, k, v, biases: bias_elements(call)? };
    let wants_bias = needs[3..].iter().any(|needed| *needed);
    let parts: Vec<Parts<T>> = (0..call.queries.segments() * key_heads)
        .into_par_iter()
        .map(|task| {
            let (place, key_head) = (call.place(task / key_heads), task % key_heads);
            let mut parts = Parts {
                dq: vec![vec![T::zero(); place.queries * width]; group],
                dk: vec![T::zero(); place.keys * width],
                dv: vec![T::zero(); place.keys * value_width],
                dscores: vec![T::zero(); if wants_bias { group * place.queries * place.keys } else { 0 }],
            };
            let (mut scores, mut dropped, mut slopes, mut factors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for member in 0..group {
                let head = key_head * group + member;
                let lse = &lse[place.segment * heads + head];
                for tile in call.tiles(place).filter(|tile| tile.keys() > 0) {
                    let keys = tile.keys();
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
                    product(
                        &mut slopes,
                        keys,
                        false,
                        T::one(),
                        dout,
                        inputs.v(place, tile, key_head).transposed(),
                        false,
                    );
                    let used = if call.dropout.is_some() {
                        factors.resize(keys, T::zero());
                        dropped.clear();
                        dropped.extend_from_slice(&scores);
                        for (index, (row, slopes)) in dropped.chunks_mut(keys).zip(slopes.chunks_mut(keys)).enumerate()
                        {
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
                    let dv = &mut parts.dv[tile.start * value_width..];
                    product(
                        dv,
                        value_width,
                        true,
                        T::one(),
                        Matrix::new(used, tile.rows, keys, keys).transposed(),
                        dout,
                        false,
                    );
                    for (index, (p, slope)) in scores.chunks(keys).zip(slopes.chunks_mut(keys)).enumerate() {
                        let row = row_of(index) * value_width..(row_of(index) + 1) * value_width;
                        score_gradient(slope, p, dot(&o[row.clone()], &g[row]));
                        if wants_bias {
                            let start = (member * place.queries + tile.first + index) * place.keys + tile.start;
                            parts.dscores[start..start + keys].copy_from_slice(slope);
                        }
                    }
                    let (factor, dscores) = (T::of(call.scale), Matrix::new(&slopes, tile.rows, keys, keys));
                    let dq = &mut parts.dq[member][tile.first * width..];
                    product(dq, width, false, factor, dscores, inputs.k(place, tile, key_head), false);
                    let dk = &mut parts.dk[tile.start * width..];
                    product(dk, width, true, factor, dscores.transposed(), inputs.q(place, tile, head), false);
                }
            }
            parts
        })
        .collect();
    let mut gradients = bias_gradients(call, &parts, needs)?;
    let (mut dq, mut dk, mut dv) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        dq.extend(part.dq);
        dk.push(part.dk);
        dv.push(part.dv);
    }
    let whole =
        |parts: &[Vec<T>], layout: &Layout, heads: usize, width: usize, needed: bool| -> Result<Option<Value>> {
            let shape = [layout.tokens(), heads, width];
            needed.then(|| value_as(assembled(parts, layout, heads, width), &shape, saved.q.dtype())).transpose()
        };
    gradients[0] = whole(&dq, &call.queries, heads, width, needs[0])?;
    gradients[1] = whole(&dk, &call.keys, key_heads, width, needs[1])?;
    gradients[2] = whole(&dv, &call.keys, key_heads, value_width, needs[2])?;
    Ok(gradients)
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
fn bias_gradients<T: Real>(call: &Call, parts: &[Parts<T>], needs: &[bool]) -> Result<Vec<Option<Value>>> {
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
            for (index, row) in part.dscores.chunks(place.keys).enumerate() {
                let (member, query) = (index / place.queries, index % place.queries);
                let start = start_of(dims, place.segment, task % key_heads * group + member, query);
                total[start..start + place.keys].iter_mut().zip(row).for_each(|(sum, slope)| *sum += *slope);
            }
        }
        gradients[3 + slot] = Some(value_as(total, dims, bias.value().dtype())?);
    }
    Ok(gradients)
}

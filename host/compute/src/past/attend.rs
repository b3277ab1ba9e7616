//! Attention of new rows to all that is remembered.

use rayon::prelude::*;

use super::KeysValues;
use super::keys_values::Head;
use crate::kernel::{exp_sum, max, slice, value_as, vectorised};
use crate::layout::Layout;
use crate::mask::{Mask, Term};
use crate::{Error, Result, Tensor};

/// Products of one call above which it is divided among the cores.
const ALONE: usize = 1 << 16;

impl KeysValues {
    /// `softmax(scale · q keysᵀ + biases) values`: `q [n, h, k]` of `layout`, whose keys and values were appended; result
    /// `[n, h, d]`. `lengths` are those of the sequences with these rows; query head i reads key head `i / (h / g)`.
    ///
    /// `None` where the mask has terms that need the keys as rows (see [`KeysValues::read`]). ALiBi counts the distance of
    /// places in the sequence. Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1. No gradient goes back.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn attend(
        &self,
        q: &Tensor,
        layout: &Layout,
        lengths: &[usize],
        mask: &Mask,
        scale: f64,
    ) -> Result<Option<Tensor>> {
        super::rows::fits("attention", q, layout, lengths)?;
        let &[_, heads, width] = q.dims() else {
            return Err(Error::shape("attention", format!("q is {:?}, not [n, h, k]", q.dims())));
        };
        if width != self.width || heads % self.heads != 0 {
            let fact = format!("q {:?} does not go with {} heads of {} features", q.dims(), self.heads, self.width);
            return Err(
                Error::shape("attention", fact).with_help("q has the features of k, and a multiple of its heads")
            );
        }
        let mut slopes: Vec<&[f64]> = Vec::new();
        for term in mask.terms() {
            match term {
                Term::Causal | Term::Window(..) => {}
                Term::Prefix(prefixes) if prefixes.len() == lengths.len() => {}
                Term::Alibi(of_heads) if of_heads.len() == heads => slopes.push(of_heads),
                _ => return Ok(None),
            }
        }
        slice!(elements: f32 = q.value());
        let d = self.value_width;
        let mut out = vec![0.0; layout.tokens() * heads * d];
        let one = |row: usize, head: usize, out: &mut [f32], scores: &mut Vec<f32>| {
            let sequence = layout.segment_of_row(row);
            let (keys, query) = (lengths[sequence], row - layout.offsets()[sequence]);
            let (start, end) = mask.range(sequence, query, layout.length(sequence), keys);
            // A prefix may be longer than what is there yet.
            let end = end.min(keys);
            if start >= end {
                return;
            }
            let past = self.head(sequence, head / (heads / self.heads));
            let q = &elements[(row * heads + head) * width..][..width];
            scores.clear();
            scores.resize(end - start, 0.0);
            self.scores(scores, q, past, start, scale as f32);
            let place = keys - layout.length(sequence) + query;
            for slopes in &slopes {
                distances(scores, start, place, slopes[head] as f32);
            }
            let highest = max(scores);
            let total = exp_sum(scores, highest);
            mix(out, scores, &past.values[start * d..end * d], 1.0 / total);
        };
        let reads: usize = lengths.iter().zip(layout.lengths()).map(|(keys, queries)| keys * queries).sum();
        if reads * heads * (width + d) <= ALONE {
            let mut scores = Vec::new();
            for (at, out) in out.chunks_mut(d.max(1)).enumerate() {
                one(at / heads, at % heads, out, &mut scores);
            }
        } else {
            let work = |scores: &mut Vec<f32>, (at, out): (usize, &mut [f32])| one(at / heads, at % heads, out, scores);
            out.par_chunks_mut(d.max(1)).enumerate().for_each_init(Vec::new, work);
        }
        Ok(Some(Tensor::constant(value_as(out, &[layout.tokens(), heads, d], q.value().dtype())?)))
    }

    fn scores(&self, scores: &mut [f32], q: &[f32], past: Head<'_>, start: usize, scale: f32) {
        let places = scores.len();
        let column = |feature: usize| &past.keys[feature * self.capacity + start..][..places];
        let (groups, rest) = q.as_chunks::<4>();
        for (index, q) in groups.iter().enumerate() {
            let at = 4 * index;
            add_four(scores, q.map(|q| q * scale), [column(at), column(at + 1), column(at + 2), column(at + 3)]);
        }
        for (index, q) in rest.iter().enumerate() {
            let feature = 4 * groups.len() + index;
            add_four(scores, [*q * scale, 0.0, 0.0, 0.0], [column(feature); 4]);
        }
    }
}

vectorised! {
    /// `sum += factors · rows`.
    fn add_four<T>(sum: &mut [T], factors: [T; 4], rows: [&[T]; 4]) {
        let [a, b, c, d] = rows;
        let [fa, fb, fc, fd] = factors;
        for ((((sum, a), b), c), d) in sum.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *sum += (fa * *a + fb * *b) + (fc * *c + fd * *d);
        }
    }
}

vectorised! {
    /// `out = factor · Σ shares[j] · rows[j]`, rows as wide as `out`.
    fn mix<T>(out: &mut [T], shares: &[T], rows: &[T], factor: T) {
        let width = out.len();
        let (groups, rest) = shares.as_chunks::<4>();
        for (index, share) in groups.iter().enumerate() {
            let rows = &rows[4 * index * width..(4 * index + 4) * width];
            let (ab, cd) = rows.split_at(2 * width);
            let ((a, b), (c, d)) = (ab.split_at(width), cd.split_at(width));
            for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *out += (share[0] * *a + share[1] * *b) + (share[2] * *c + share[3] * *d);
            }
        }
        for (index, share) in rest.iter().enumerate() {
            let at = (4 * groups.len() + index) * width;
            for (out, row) in out.iter_mut().zip(&rows[at..at + width]) {
                *out += *share * *row;
            }
        }
        for out in out.iter_mut() {
            *out *= factor;
        }
    }
}

/// ALiBi's share of the scores of the places from `start`, seen from `place`.
fn distances(scores: &mut [f32], start: usize, place: usize, slope: f32) {
    for (index, score) in scores.iter_mut().enumerate() {
        *score -= slope * (start + index).abs_diff(place) as f32;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::mask::alibi_slopes;
    use crate::nn_ops;
    use crate::testing::{numbers, random};

    fn tensor(shape: &[usize], seed: u64) -> Tensor {
        Tensor::constant(random(shape, seed).to_dtype(candle_core::DType::F32).unwrap())
    }

    fn part(whole: &Tensor, rows: &[usize]) -> Tensor {
        let ids: Vec<u32> = rows.iter().map(|row| *row as u32).collect();
        let ids = crate::Value::from_slice(&ids, ids.len(), &crate::Device::Cpu).unwrap();
        Tensor::constant(whole.value().index_select(&ids, 0).unwrap())
    }

    /// Two sequences of 7 and 4 rows, in steps of (3, 2), (1, 1), (3, 1) rows, against the whole at once.
    #[test]
    fn steps_give_what_the_whole_gives() {
        let (whole, keys) = (Layout::new(&[7, 4], &[0, 1]).unwrap(), [0_u64, 1]);
        for (heads, key_heads, width, d) in [(4, 4, 8, 8), (6, 2, 5, 3)] {
            let q = tensor(&[11, heads, width], 1);
            let (k, v) = (tensor(&[11, key_heads, width], 2), tensor(&[11, key_heads, d], 3));
            let causal = Mask::causal();
            let alibi = Mask::alibi(alibi_slopes(heads));
            for mask in [&causal, &causal.and(&alibi), &causal.and(&Mask::window(2, 0)), &Mask::prefix(vec![2, 1])] {
                let expected = nn_ops::attention(&q, &k, &v, &whole, &whole, mask, 0.4, None).unwrap();
                let mut past = KeysValues::new(2, 1, &k, &v).unwrap();
                let mut lengths = [0, 0];
                for step in [[3, 2], [1, 1], [3, 1]] {
                    let rows: Vec<usize> =
                        (lengths[0]..lengths[0] + step[0]).chain(7 + lengths[1]..7 + lengths[1] + step[1]).collect();
                    let layout = Layout::new(&step, &keys).unwrap();
                    past.append(&part(&k, &rows), &part(&v, &rows), &layout, &lengths).unwrap();
                    (0..2).for_each(|sequence| lengths[sequence] += step[sequence]);
                    let found = past.attend(&part(&q, &rows), &layout, &lengths, mask, 0.4).unwrap().unwrap();
                    let expected = part(&expected, &rows);
                    for (a, b) in numbers(found.value()).iter().zip(numbers(expected.value())) {
                        assert!((a - b).abs() < 1e-5, "{} {step:?}: {a} and {b}", mask.describe());
                    }
                }
                let (all_keys, all_values) = past.read(&lengths).unwrap();
                assert_eq!(numbers(all_keys.value()), numbers(k.value()));
                assert_eq!(numbers(all_values.value()), numbers(v.value()));
                let (swapped, _) = past.select(&[1, 0]).read(&[4, 7]).unwrap();
                assert_eq!(
                    numbers(swapped.value())[..4 * key_heads * width],
                    numbers(k.value())[7 * key_heads * width..]
                );
            }
        }
    }

    #[test]
    fn a_mask_over_rows_is_left_to_the_general_attention() {
        let (q, layout) = (tensor(&[2, 1, 4], 1), Layout::new(&[2], &[0]).unwrap());
        let mut past = KeysValues::new(1, 2, &q, &q).unwrap();
        past.append(&q, &q, &layout, &[0]).unwrap();
        let visible = Tensor::truth(crate::Value::from_slice(&[1_u8, 0], 2, &crate::Device::Cpu).unwrap());
        let mask = Mask::keys(&visible).unwrap();
        assert!(past.attend(&q, &layout, &[2], &mask, 1.0).unwrap().is_none());
        assert!(past.attend(&q, &layout, &[2, 2], &mask, 1.0).is_err());
    }
}

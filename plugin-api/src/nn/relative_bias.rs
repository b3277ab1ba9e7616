//! Relative positions as biases of attention: a learned number for each head and bucket of distances.

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::mask::Mask;
use crate::nn::Embedding;
use crate::scope::Scope;
use crate::state::State;
use crate::tensor::Tensor;
use crate::weight::Init;

/// How distances fall into buckets (Raffel et al. 2020, arXiv:1910.10683, section 2.1, as its code has it): near ones have one
/// each, far ones share them by their logarithm, and from `maximum_distance` on all are in the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelativeBiasOptions {
    /// Heads, each with numbers of its own.
    pub num_heads: usize,
    /// Buckets, 32 in the paper.
    pub buckets: usize,
    /// The distance from which the last bucket serves, 128 in the paper.
    pub maximum_distance: usize,
    /// Half of the buckets are for what comes after; without it all that comes after is in bucket 0.
    pub both_ways: bool,
}

impl RelativeBiasOptions {
    /// 32 buckets to a distance of 128.
    #[must_use]
    pub fn new(num_heads: usize, both_ways: bool) -> Self {
        Self { num_heads, buckets: 32, maximum_distance: 128, both_ways }
    }

    /// The bucket of a key that stands `distance` places after the query, below 0 before it.
    #[must_use]
    pub fn bucket(&self, distance: i64) -> u32 {
        let (side, first) = if self.both_ways {
            let side = self.buckets / 2;
            (side, if distance > 0 { side } else { 0 })
        } else {
            (self.buckets, 0)
        };
        let far = if self.both_ways { distance.unsigned_abs() } else { distance.min(0).unsigned_abs() };
        let far = usize::try_from(far).unwrap_or(usize::MAX);
        let exact = side / 2;
        let bucket = if far < exact {
            far
        } else {
            // In single precision, which decides on which side of a border a distance falls.
            let share = (far as f32 / exact as f32).ln() / (self.maximum_distance as f64 / exact as f64).ln() as f32;
            (exact + (share * (side - exact) as f32) as usize).min(side - 1)
        };
        (first + bucket) as u32
    }

    fn check(&self) -> Result<()> {
        let exact = if self.both_ways { self.buckets / 4 } else { self.buckets / 2 };
        let help = "the first half of a side's buckets is for single distances, the rest up to the longest";
        if exact == 0 {
            let fact = format!("are {}, which leaves none for single distances", self.buckets);
            return Err(Error::setting("bias_buckets", fact).help("take at least 2, or 4 where rows see both sides"));
        }
        if self.maximum_distance <= exact {
            let fact = format!("is {}, and {exact} buckets are for single distances already", self.maximum_distance);
            return Err(Error::setting("bias_distance", fact).help(help));
        }
        Ok(())
    }
}

/// The biases. Weights: `weight` `[buckets, heads]`.
#[derive(Clone)]
pub struct RelativeBias {
    table: Embedding,
    options: RelativeBiasOptions,
}

impl RelativeBias {
    /// Makes it.
    ///
    /// # Errors
    /// When there are too few buckets or a name is taken.
    pub fn new(scope: &Scope, options: RelativeBiasOptions, init: Init) -> Result<Self> {
        options.check()?;
        let table = Embedding::new(scope, options.buckets, options.num_heads, init, "bucket,heads")?;
        Ok(Self { table, options })
    }

    /// The biases of rows that look at rows of the same layout: one table serves all segments.
    ///
    /// # Errors
    /// When the layout cannot be read.
    #[track_caller]
    pub fn mask(&self, layout: &Layout) -> Result<Mask> {
        let longest = longest(&layout.lengths().to_vec::<u32>()?);
        Ok(self.biases(&[0], longest, longest))
    }

    /// The biases of a step of decoding: rows that look at what the state has and at themselves.
    ///
    /// # Errors
    /// When state or layout cannot be read.
    #[track_caller]
    pub fn mask_behind(&self, layout: &Layout, state: &State) -> Result<Mask> {
        let (past, new) = (state.lengths()?.to_vec::<u32>()?, layout.lengths().to_vec::<u32>()?);
        let all: Vec<u32> = past.iter().zip(&new).map(|(past, new)| past + new).collect();
        let places: &[u32] =
            if past.iter().all(|length| *length == past[0]) { &past[..past.len().min(1)] } else { &past };
        Ok(self.biases(places, longest(&new), longest(&all)))
    }

    /// Biases `[b, h, queries, keys]`, where the first query of each segment stands at its place of `places`.
    #[track_caller]
    fn biases(&self, places: &[u32], queries: usize, keys: usize) -> Mask {
        let mut buckets = Vec::with_capacity(places.len() * queries * keys);
        // Places differ by little from key to key: the bucket of each distance is found once.
        let first = places.iter().copied().min().map_or(0, i64::from);
        let last = places.iter().copied().max().map_or(0, i64::from) + queries as i64;
        let known: Vec<u32> = (-last..=keys as i64 - first).map(|distance| self.options.bucket(distance)).collect();
        for place in places {
            for query in 0..queries {
                let start = (last - i64::from(*place) - query as i64) as usize;
                buckets.extend_from_slice(&known[start..start + keys]);
            }
        }
        let ids = Tensor::new(&buckets, &[places.len(), queries, keys]);
        Mask::bias(&self.table.apply(&ids).permute(&[0, 3, 1, 2]))
    }
}

fn longest(lengths: &[u32]) -> usize {
    lengths.iter().copied().max().unwrap_or(0) as usize
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Distance and bucket in turn, where the bucket is another than that of the distance before, from −200 to 200.
    fn borders(options: RelativeBiasOptions) -> Vec<i64> {
        let mut found: Vec<i64> = Vec::new();
        for distance in -200..=200 {
            let bucket = i64::from(options.bucket(distance));
            if found.last() != Some(&bucket) {
                found.extend([distance, bucket]);
            }
        }
        found
    }

    /// From `T5Attention._relative_position_bucket` of transformers 5.23.0 with torch 2.15.0.
    #[test]
    fn buckets_are_those_of_the_released_code() {
        let expected = [
            -200, 15, -90, 14, -63, 13, -45, 12, -31, 11, -22, 10, -15, 9, -11, 8, -7, 7, -6, 6, -5, 5, -4, 4, -3, 3,
            -2, 2, -1, 1, 0, 0, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 12, 25, 16, 26, 23, 27, 32, 28,
            46, 29, 64, 30, 91, 31,
        ];
        assert_eq!(
            borders(RelativeBiasOptions { num_heads: 4, buckets: 32, maximum_distance: 128, both_ways: true }),
            expected
        );
        let expected = [
            -200, 31, -112, 30, -98, 29, -86, 28, -76, 27, -66, 26, -58, 25, -51, 24, -45, 23, -39, 22, -34, 21, -30,
            20, -26, 19, -23, 18, -20, 17, -18, 16, -15, 15, -14, 14, -13, 13, -12, 12, -11, 11, -10, 10, -9, 9, -8, 8,
            -7, 7, -6, 6, -5, 5, -4, 4, -3, 3, -2, 2, -1, 1, 0, 0,
        ];
        assert_eq!(
            borders(RelativeBiasOptions { num_heads: 4, buckets: 32, maximum_distance: 128, both_ways: false }),
            expected
        );
        let expected = [-200, 3, -6, 2, -1, 1, 0, 0, 1, 5, 2, 6, 7, 7];
        assert_eq!(
            borders(RelativeBiasOptions { num_heads: 4, buckets: 8, maximum_distance: 20, both_ways: true }),
            expected
        );
        let expected = [-200, 6, -24, 5, -12, 4, -6, 3, -2, 2, -1, 1, 0, 0];
        assert_eq!(
            borders(RelativeBiasOptions { num_heads: 4, buckets: 7, maximum_distance: 50, both_ways: false }),
            expected
        );
    }

    #[test]
    fn too_few_buckets_are_refused() {
        assert!(RelativeBiasOptions { buckets: 3, ..RelativeBiasOptions::new(4, true) }.check().is_err());
        assert!(RelativeBiasOptions { maximum_distance: 8, ..RelativeBiasOptions::new(4, true) }.check().is_err());
        assert!(
            RelativeBiasOptions { buckets: 2, maximum_distance: 2, ..RelativeBiasOptions::new(4, false) }
                .check()
                .is_ok()
        );
    }
}

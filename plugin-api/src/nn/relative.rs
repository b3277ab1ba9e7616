//! Relative positions in the scores of attention: learned vectors by distance, near ones one by one, far ones in
//! buckets.
//!
//! He et al. 2020, arXiv:2006.03654, section 3.1, with the buckets of its code (DeBERTa-v2), which LTG-BERT has too
//! (Samuel et al. 2023, arXiv:2303.09859, section 3). Axes: b segments, n query rows, m key rows, h heads, k features
//! of a head, r vectors.

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::nn::{Norm, NormKind};
use crate::scope::Scope;
use crate::tensor::Tensor;
use crate::weight::{Init, Weight, WeightOptions};

/// Which scores relative positions add to those of contents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelativeTerms {
    /// The query of a row with the key of the position.
    pub content_to_position: bool,
    /// The key of a row with the query of the position.
    pub position_to_content: bool,
    /// Vectors of positions go through the query and key layers of the rows, not through layers of their own.
    pub shared: bool,
}

impl RelativeTerms {
    /// How many there are.
    #[must_use]
    pub fn count(self) -> u8 {
        u8::from(self.content_to_position) + u8::from(self.position_to_content)
    }
}

/// What [`RelativePositions`] are made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RelativePositionsOptions {
    /// Vectors for each direction of the distance; 0: one for each distance.
    pub buckets: usize,
    /// The distance at which the last vector begins.
    pub maximum: usize,
    /// A norm of the vectors, and what is added to variances.
    pub norm: Option<(NormKind, f64)>,
    /// Dropout on the vectors.
    pub dropout: f64,
    /// How the vectors start.
    pub init: Init,
}

impl RelativePositionsOptions {
    /// Vectors for one direction.
    fn span(&self) -> usize {
        if self.buckets > 0 { self.buckets } else { self.maximum }
    }

    /// The vector of a distance, query minus key.
    fn row(&self, distance: i64) -> i64 {
        let span = self.span() as i64;
        let bucket = if self.buckets > 0 { log_bucket(distance, self.buckets, self.maximum) } else { distance };
        (bucket + span).clamp(0, 2 * span - 1)
    }
}

/// The bucket of a distance: itself up to half of `buckets`, further ones by their logarithm, so that `maximum` − 1
/// falls into the last, `buckets` − 1 (the code of DeBERTa-v2).
#[must_use]
pub fn log_bucket(distance: i64, buckets: usize, maximum: usize) -> i64 {
    let middle = buckets as i64 / 2;
    if distance.abs() <= middle {
        return distance;
    }
    let middle_float = middle as f64;
    let share = (distance.abs() as f64 / middle_float).ln() / ((maximum as f64 - 1.0) / middle_float).ln();
    // At a share of exactly 1 rounding must not add a bucket.
    let further = (share * (middle_float - 1.0) - 1e-9).ceil() as i64;
    distance.signum() * (middle + further)
}

/// A table of vectors by distance, for all blocks. Weights: `weight` `[2 · vectors of a direction, width]`, that of
/// distance 0 in the middle; with a norm `LayerNorm.weight`, `LayerNorm.bias`.
#[derive(Clone)]
pub struct RelativePositions {
    table: Weight,
    norm: Option<Norm>,
    options: RelativePositionsOptions,
}

impl RelativePositions {
    /// Makes it.
    ///
    /// # Errors
    /// When the numbers do not fit or a name is taken.
    pub fn new(scope: &Scope, width: usize, options: RelativePositionsOptions) -> Result<Self> {
        let RelativePositionsOptions { buckets, maximum, norm, init, .. } = options;
        if buckets == 1 || maximum <= buckets / 2 + 1 {
            let fact = format!("relative positions in {buckets} buckets cannot reach to a distance of {maximum}");
            return Err(Error::new("plugin/setting", fact)
                .help("choose 2 buckets or more, or 0 for none, and a maximum above half their number plus 1"));
        }
        let table = WeightOptions::new().axes("distance,width");
        Ok(Self {
            table: scope.weight_with("weight", &[2 * options.span(), width], init, &table)?,
            norm: norm.map(|(kind, epsilon)| Norm::new(&scope.at("LayerNorm"), width, kind, epsilon)).transpose()?,
            options,
        })
    }

    /// What all blocks of a pass share. `past` has the rows of each segment before those of `layout`: a step of
    /// decoding.
    ///
    /// # Errors
    /// When the host cannot tell the lengths.
    pub fn of(&self, layout: &Layout, past: Option<&Tensor>) -> Result<Relative> {
        let queries: Vec<usize> = numbers(&layout.lengths())?;
        let before = past.map_or_else(|| Ok(vec![0; queries.len()]), numbers)?;
        let segments: Vec<Segment> =
            before.into_iter().zip(queries).map(|(before, queries)| Segment { before, queries }).collect();
        let longest_keys = segments.iter().map(Segment::keys).max().unwrap_or(0);
        let longest_queries = segments.iter().map(|segment| segment.queries).max().unwrap_or(0);
        let furthest = longest_keys.max(1) as i64 - 1;
        let (low, high) = (self.options.row(-furthest), self.options.row(furthest));
        // The vectors of distances from -furthest on, counted from the first that is used.
        let place = |distance: i64| (self.options.row(distance.clamp(-furthest, furthest)) - low) as u32;
        let by_distance: Vec<u32> = (-furthest..=furthest).map(place).collect();
        let at = |query: usize, key: usize| {
            let distance = (query as i64 - key as i64).clamp(-furthest, furthest);
            by_distance[(distance + furthest) as usize]
        };
        let (mut of_queries, mut of_keys) = (Vec::new(), Vec::new());
        for segment in &segments {
            for query in segment.before..segment.keys() {
                of_queries.extend((0..longest_keys).map(|key| at(query, key)));
            }
            for key in 0..segment.keys() {
                of_keys.extend((0..longest_queries).map(|query| at(segment.before + query, key)));
            }
        }
        let index = |index: Vec<u32>, length: usize| {
            Tensor::new(&index, &[1, index.len().checked_div(length).unwrap_or(0), length])
        };
        let mut vectors_rd = self.table.tensor();
        if let Some(norm) = &self.norm {
            vectors_rd = norm.apply(&vectors_rd);
        }
        let vectors_rd = vectors_rd.dropout(self.options.dropout, None, "relative");
        Ok(Relative {
            vectors_rd: vectors_rd.narrow(0, low as usize, (high - low + 1) as usize),
            of_queries: index(of_queries, longest_keys),
            of_keys: index(of_keys, longest_queries),
            lengths: [longest_queries, longest_keys],
        })
    }
}

struct Segment {
    /// Rows before those of the layout.
    before: usize,
    queries: usize,
}

impl Segment {
    fn keys(&self) -> usize {
        self.before + self.queries
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<usize>> {
    Ok(tensor.to_vec::<u32>()?.into_iter().map(|number| number as usize).collect())
}

/// The vectors of the distances in a batch, and which belongs to which pair of rows.
pub struct Relative {
    vectors_rd: Tensor,
    /// For each query row the vectors of the distances to all places of keys, `[1, n, tk]`.
    of_queries: Tensor,
    /// For each key row the vectors of the distances from all places of queries, `[1, m, tq]`.
    of_keys: Tensor,
    /// The longest segments of queries and of keys.
    lengths: [usize; 2],
}

impl std::fmt::Debug for Relative {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Relative(…, {:?})", self.lengths)
    }
}

impl Relative {
    /// The vectors that are used, `[r, width]`.
    #[must_use]
    pub fn vectors(&self) -> &Tensor {
        &self.vectors_rd
    }

    /// Queries of rows `[n, h, k]` with keys of positions `[r, h, k]`: scores in padded form `[b, h, tq, tk]`.
    #[track_caller]
    #[must_use]
    pub fn content_to_position(&self, query_nhk: &Tensor, position_rhk: &Tensor, layout: &Layout) -> Tensor {
        scores(query_nhk, position_rhk, &self.of_queries, layout).permute(&[0, 2, 1, 3])
    }

    /// Keys of rows `[m, h, k]` with queries of positions `[r, h, k]`: scores in padded form `[b, h, tq, tk]`.
    #[track_caller]
    #[must_use]
    pub fn position_to_content(&self, key_mhk: &Tensor, position_rhk: &Tensor, layout: &Layout) -> Tensor {
        scores(key_mhk, position_rhk, &self.of_keys, layout).permute(&[0, 2, 3, 1])
    }
}

/// Of rows `[n, h, k]` and vectors `[r, h, k]`: for each row the scores at `index` `[1, n, t]`, padded: `[b, t of rows,
/// h, t]`.
#[track_caller]
fn scores(rows_nhk: &Tensor, vectors_rhk: &Tensor, index: &Tensor, layout: &Layout) -> Tensor {
    let scores_hnr = rows_nhk.transpose(0, 1).matmul(vectors_rhk.permute(&[1, 2, 0]));
    let picked_hnt = match (vectors_rhk.dims(), index.dims()) {
        (Ok(vectors), Ok(index_dims)) => {
            scores_hnr.gather(2, index.expand(&[vectors[1], index_dims[1], index_dims[2]]))
        }
        // The fault is already noted; what comes of it has no meaning.
        _ => scores_hnr,
    };
    layout.pad(picked_hnt.permute(&[1, 0, 2]), 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_have_the_published_values() {
        for (distance, bucket) in [(127, 127), (128, 128), (129, 129), (200, 169), (300, 207), (511, 255)] {
            assert_eq!(log_bucket(distance, 256, 512), bucket, "{distance}");
            assert_eq!(log_bucket(-distance, 256, 512), -bucket, "{distance}");
        }
        for (distance, bucket) in [(0, 0), (16, 16), (17, 17), (32, 20), (64, 23), (128, 26), (511, 31)] {
            assert_eq!(log_bucket(distance, 32, 512), bucket, "{distance}");
        }
    }

    #[test]
    fn distances_beyond_the_last_vector_share_it() {
        let options = RelativePositionsOptions { buckets: 0, maximum: 4, norm: None, dropout: 0.0, init: Init::Zeros };
        let rows: Vec<i64> = (-6..=6).map(|distance| options.row(distance)).collect();
        assert_eq!(rows, [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7]);
        let bucketed = RelativePositionsOptions { buckets: 4, maximum: 16, ..options };
        assert_eq!(bucketed.row(-1000), 0);
        assert_eq!(bucketed.row(1000), 7);
    }
}

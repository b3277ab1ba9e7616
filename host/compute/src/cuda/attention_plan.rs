//! What the attention kernels must know of layouts and mask, as numbers on the device.

use candle_core::DType;
use philox::{Key, rate_limit};

use super::calls::{Pointer, Strides};
use crate::layout::Layout;
use crate::mask::{Mask, Term};
use crate::random::row_keys;
use crate::{Device, Result, Value};

/// Threads along one side of a block hold four rows or columns each.
const PER_THREAD: usize = 4;

/// How a call divides into blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiling {
    /// Queries and keys of one tile, 32 or 64.
    pub(super) tile: usize,
    /// Output columns that one thread holds.
    pub(super) columns: usize,
    /// Numbers of shared memory.
    pub(super) shared: usize,
}

impl Tiling {
    /// Shared memory above which a smaller tile lets more blocks run beside each other.
    const COMFORTABLE: usize = 100 * 1024;

    /// The tiling for these widths of q and v, numbers of `bytes` each, at most `limit` bytes and segments of at most
    /// `longest` rows; `None` when nothing fits.
    pub(super) fn of(
        width: usize,
        value_width: usize,
        bytes: usize,
        limit: usize,
        longest: usize,
        backward: bool,
    ) -> Option<Self> {
        let (q, v) = (width | 1, value_width | 1);
        let widest = width.max(value_width);
        let shared = |tile: usize| {
            let rows = if backward { 2 * (q + v) } else { q + q.max(v) };
            tile * (rows + tile + 1)
        };
        let large = shared(64) * bytes;
        if longest > 32 && widest <= 128 && bytes == 4 && large <= limit.min(Self::COMFORTABLE) {
            return Some(Self { tile: 64, columns: if widest <= 64 { 4 } else { 8 }, shared: shared(64) });
        }
        let columns = [8, 16, 32].into_iter().find(|columns| columns * 32 / PER_THREAD >= widest)?;
        (shared(32) * bytes <= limit).then(|| Self { tile: 32, columns, shared: shared(32) })
    }

    /// Threads of a block.
    pub(super) fn threads(self) -> usize {
        (self.tile / PER_THREAD).pow(2)
    }
}

/// The tiles of a call, and offsets and ranges of its segments: one buffer of 32-bit numbers.
pub(super) struct Plan {
    pub(super) numbers: Value,
    pub(super) query_tiles: usize,
    pub(super) key_tiles: usize,
    /// Where the parts begin, in the order of [`Parts`].
    starts: [usize; 8],
}

/// Addresses of the parts of a plan.
pub(super) struct Parts {
    pub(super) query_tiles: Pointer,
    pub(super) key_tiles: Pointer,
    pub(super) query_offsets: Pointer,
    pub(super) key_offsets: Pointer,
    pub(super) range_starts: Pointer,
    pub(super) range_ends: Pointer,
    pub(super) query_positions: Pointer,
    pub(super) key_positions: Pointer,
}

impl Plan {
    pub(super) fn new(queries: &Layout, keys: &Layout, mask: &Mask, tile: usize, device: &Device) -> Result<Self> {
        let (mut query_tiles, mut key_tiles) = (Vec::new(), Vec::new());
        let (mut range_starts, mut range_ends) = (Vec::new(), Vec::new());
        for segment in 0..queries.segments() {
            let (count, key_count) = (queries.length(segment), keys.length(segment));
            let before = query_tiles.len() / 4;
            for first in (0..count).step_by(tile) {
                // The keys that any query of the tile sees.
                let (mut start, mut end) = (key_count, 0);
                for query in first..count.min(first + tile) {
                    let (from, to) = mask.range(segment, query, count, key_count);
                    range_starts.push(from as u32);
                    range_ends.push(to as u32);
                    if from < to {
                        (start, end) = (start.min(from), end.max(to));
                    }
                }
                query_tiles.extend([segment, first, start, end.max(start)].map(|number| number as u32));
            }
            let tiles = query_tiles.len() / 4 - before;
            for first in (0..key_count).step_by(tile) {
                key_tiles.extend([segment, first, before, tiles].map(|number| number as u32));
            }
        }
        let counts = [query_tiles.len() / 4, key_tiles.len() / 4];
        let offsets = |layout: &Layout| layout.offsets().iter().map(|offset| *offset as u32).collect::<Vec<u32>>();
        let has_alibi = mask.terms().iter().any(|term| matches!(term, Term::Alibi(_)));
        let positions = |layout: &Layout| if has_alibi { layout.positions().to_vec() } else { Vec::new() };
        let parts = [
            query_tiles,
            key_tiles,
            offsets(queries),
            offsets(keys),
            range_starts,
            range_ends,
            positions(queries),
            positions(keys),
        ];
        let mut starts = [0; 8];
        let mut end = 0;
        for (start, part) in starts.iter_mut().zip(&parts) {
            *start = end;
            end += part.len();
        }
        let numbers = Value::from_vec(parts.concat(), end, device)?;
        Ok(Self { numbers, query_tiles: counts[0], key_tiles: counts[1], starts })
    }

    /// The parts, from the address of all numbers.
    pub(super) fn parts(&self, numbers: Pointer) -> Parts {
        let at = |part: usize| numbers + 4 * self.starts[part] as u64;
        Parts {
            query_tiles: at(0),
            key_tiles: at(1),
            query_offsets: at(2),
            key_offsets: at(3),
            range_starts: at(4),
            range_ends: at(5),
            query_positions: at(6),
            key_positions: at(7),
        }
    }
}

/// The terms of a mask that are no ranges, and dropout, on the device.
pub(super) struct Terms {
    pub(super) slopes: Option<Value>,
    pub(super) visible: Option<Value>,
    pub(super) dense: Option<Value>,
    pub(super) dense_strides: Strides,
    /// In the computing type.
    pub(super) bias: Option<Value>,
    pub(super) bias_strides: Strides,
    pub(super) bias_dims: [usize; 4],
    pub(super) row_keys: Option<Value>,
    pub(super) dropout_limit: i64,
    pub(super) dropout_factor: f64,
}

impl Terms {
    /// The terms of a mask, or `None` when it has two dense ones or two biases, which one kernel does not read.
    pub(super) fn new(
        queries: &Layout,
        mask: &Mask,
        dropout: Option<(f64, Key)>,
        real: DType,
        device: &Device,
    ) -> Result<Option<Self>> {
        let mut all = Self {
            slopes: None,
            visible: None,
            dense: None,
            dense_strides: [0; 3],
            bias: None,
            bias_strides: [0; 3],
            bias_dims: [1; 4],
            row_keys: None,
            dropout_limit: 0,
            dropout_factor: 1.0,
        };
        let (mut slopes, mut visible): (Option<Vec<f64>>, Option<Vec<u8>>) = (None, None);
        for term in mask.terms() {
            match term {
                Term::Keys(keys) => match &mut visible {
                    Some(both) => both.iter_mut().zip(keys).for_each(|(both, key)| *both &= *key),
                    None => visible = Some(keys.clone()),
                },
                Term::Alibi(more) => match &mut slopes {
                    Some(sum) => sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += *more),
                    None => slopes = Some(more.clone()),
                },
                Term::Dense(_, _) if all.dense.is_some() => return Ok(None),
                Term::Bias(_, _) if all.bias.is_some() => return Ok(None),
                Term::Dense(pairs, dims) => {
                    all.dense = Some(Value::from_slice(pairs, pairs.len(), device)?);
                    all.dense_strides = strides(dims);
                }
                Term::Bias(bias, dims) => {
                    all.bias = Some(bias.value().to_dtype(real)?);
                    (all.bias_strides, all.bias_dims) = (strides(dims), *dims);
                }
                // Those that `Mask::range` knows.
                _ => {}
            }
        }
        if let Some(slopes) = slopes {
            let count = slopes.len();
            all.slopes = Some(Value::from_vec(slopes, count, &Device::Cpu)?.to_dtype(real)?.to_device(device)?);
        }
        if let Some(visible) = visible {
            let count = visible.len();
            all.visible = Some(Value::from_vec(visible, count, device)?);
        }
        if let Some((rate, key)) = dropout {
            let keys: Vec<i64> = row_keys(key, queries).into_iter().map(|key| key.bits() as i64).collect();
            all.row_keys = Some(Value::from_vec(keys, queries.tokens(), device)?);
            all.dropout_limit = i64::from(rate_limit(1.0 - rate));
            all.dropout_factor = 1.0 / (1.0 - rate);
        }
        Ok(Some(all))
    }
}

/// Elements from one segment, head and query to the next in a value of these dims, 0 where it is broadcast.
fn strides(dims: &[usize; 4]) -> Strides {
    let steps = [dims[1] * dims[2] * dims[3], dims[2] * dims[3], dims[3]];
    std::array::from_fn(|axis| if dims[axis] == 1 { 0 } else { steps[axis] as i64 })
}

//! A shape seen from one axis, and loops along it.

use candle_core::WithDType;
use rayon::prelude::*;

use super::CHUNK;

/// A shape seen from one axis, or one run of axes: `before` blocks of `len` rows of `after` elements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocks {
    pub(crate) before: usize,
    pub(crate) len: usize,
    pub(crate) after: usize,
}

impl Blocks {
    pub(crate) fn of(shape: &[usize], axis: usize) -> Self {
        Self { before: shape[..axis].iter().product(), len: shape[axis], after: shape[axis + 1..].iter().product() }
    }
}

/// One result for every line along the middle of `blocks`; `f` gets the line's elements in order.
pub(crate) fn lines<T: WithDType, R: Send + Clone + Default>(
    data: &[T],
    blocks: Blocks,
    f: impl Fn(&[T]) -> R + Sync,
) -> Vec<R> {
    let Blocks { before, len, after } = blocks;
    let mut out = vec![R::default(); before * after];
    let chunk = (CHUNK / len.max(1)).max(1);
    out.par_chunks_mut(chunk).enumerate().for_each_init(Vec::new, |gathered, (index, out)| {
        for (offset, out) in out.iter_mut().enumerate() {
            let line = index * chunk + offset;
            let start = (line / after) * len * after + line % after;
            *out = if after == 1 {
                f(&data[start..start + len])
            } else {
                gathered.clear();
                gathered.extend((0..len).map(|at| data[start + at * after]));
                f(gathered)
            };
        }
    });
    out
}

//! Rotary position embedding.

use std::cell::RefCell;
use std::sync::Arc;

use super::on_device;
use crate::kernel::{Real, by_real, over_rows, slice, unfilled, value_as, vectorised};
use crate::{Error, Result, Tensor, Value};

/// Turns pairs of features by an angle that grows with the position: `x [n, h, d]`, one position per row.
///
/// Pair `i` of the first `rotary_dims` features turns by `position * base^(-2i / rotary_dims)` (Su et al. 2021,
/// arXiv:2104.09864, section 3.2.2); features behind stay. `interleaved` pairs (2i, 2i+1) as in the paper, otherwise
/// (i, i + rotary_dims/2) as in GPT-NeoX and Llama. Angles are computed in f64. The backward pass turns the other way.
///
/// # Errors
/// When `x` has another rank, `rotary_dims` is odd or above `d`, or positions are not `n`.
pub fn rotary(x: &Tensor, positions: &[u32], base: f64, interleaved: bool, rotary_dims: usize) -> Result<Tensor> {
    const NAME: &str = "rotary";
    crate::tape::require_float(NAME, x)?;
    let [rows, _, width] = *x.dims() else {
        return Err(Error::shape(NAME, format!("the input has shape {:?}", x.dims()))
            .with_help("it is [rows, heads, head_dim]"));
    };
    if !rotary_dims.is_multiple_of(2) || rotary_dims > width {
        return Err(Error::argument(
            NAME,
            format!("rotary_dims {rotary_dims} is odd or above the head's {width} features"),
        ));
    }
    if positions.len() != rows {
        return Err(Error::shape(NAME, format!("{} positions for the {rows} rows of {:?}", positions.len(), x.dims()))
            .with_help("take the positions of the layout that the rows belong to"));
    }
    if !(base > 0.0 && base.is_finite()) {
        return Err(Error::argument(NAME, format!("base {base} is not a positive number")));
    }
    let table = table_of(positions, base, rotary_dims);
    if on_device::is_other(x.device()) {
        return on_device::rotary(x, &table, interleaved, rotary_dims);
    }
    let kind = Kind { interleaved, rotary_dims };
    let y = by_real!(x.value().dtype(), T => turn::<T>(x.value(), &table, kind, 1.0)?);
    Ok(Tensor::from_op(NAME, y, &[x], move |gradient, _| {
        Ok(vec![Some(by_real!(gradient.dtype(), T => turn::<T>(gradient, &table, kind, -1.0)?))])
    }))
}

#[derive(Clone, Copy)]
struct Kind {
    interleaved: bool,
    rotary_dims: usize,
}

/// Cosines and sines of each distinct angle, and each row's place among them.
pub(super) struct Table {
    /// `[positions, rotary_dims / 2]` pairs.
    pub(super) turns: Vec<(f64, f64)>,
    pub(super) place_of_row: Vec<usize>,
}

thread_local! {
    /// What the last call turned by: queries and keys of all layers of a step turn alike.
    static LAST: RefCell<Option<Known>> = const { RefCell::new(None) };
}

/// A table and what it was made for.
struct Known {
    positions: Vec<u32>,
    base: f64,
    rotary_dims: usize,
    table: Arc<Table>,
}

fn table_of(positions: &[u32], base: f64, rotary_dims: usize) -> Arc<Table> {
    let fits = |known: &&Known| known.positions == positions && known.base == base && known.rotary_dims == rotary_dims;
    if let Some(table) = LAST.with_borrow(|last| last.as_ref().filter(fits).map(|known| known.table.clone())) {
        return table;
    }
    let table = Arc::new(table(positions, base, rotary_dims));
    LAST.set(Some(Known { positions: positions.to_vec(), base, rotary_dims, table: table.clone() }));
    table
}

pub(super) fn table(positions: &[u32], base: f64, rotary_dims: usize) -> Table {
    let mut distinct = positions.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let frequencies: Vec<f64> = (0..rotary_dims / 2).map(|i| base.powf(-2.0 * i as f64 / rotary_dims as f64)).collect();
    let turns = distinct
        .iter()
        .flat_map(|position| {
            frequencies.iter().map(move |frequency| {
                let (sine, cosine) = (f64::from(*position) * frequency).sin_cos();
                (cosine, sine)
            })
        })
        .collect();
    let place_of_row = positions.iter().map(|position| distinct.binary_search(position).unwrap_or(0)).collect();
    Table { turns, place_of_row }
}

fn turn<T: Real>(x: &Value, table: &Table, kind: Kind, direction: f64) -> Result<Value> {
    let (_, heads, width) = x.dims3()?;
    let half = kind.rotary_dims / 2;
    slice!(elements: T = x);
    let (cosines, sines): (Vec<T>, Vec<T>) =
        table.turns.iter().map(|(c, s)| (T::of(*c), T::of(*s * direction))).unzip();
    let mut y = unfilled(elements.len());
    over_rows(&mut y, heads * width, |first, y| {
        y.copy_from_slice(&elements[first * heads * width..][..y.len()]);
        for (index, row) in y.chunks_mut(heads * width).enumerate() {
            let start = table.place_of_row[first + index] * half;
            let (cosines, sines) = (&cosines[start..start + half], &sines[start..start + half]);
            for head in row.chunks_mut(width) {
                let turned = &mut head[..kind.rotary_dims];
                if kind.interleaved {
                    turn_pairs(turned, cosines, sines);
                } else {
                    let (a, b) = turned.split_at_mut(half);
                    turn_halves(a, b, cosines, sines);
                }
            }
        }
    });
    value_as(y, x.dims(), x.dtype())
}

vectorised! {
    fn turn_pairs<T>(turned: &mut [T], cosines: &[T], sines: &[T]) {
        for ((pair, c), s) in turned.chunks_exact_mut(2).zip(cosines).zip(sines) {
            (pair[0], pair[1]) = (pair[0] * *c - pair[1] * *s, pair[1] * *c + pair[0] * *s);
        }
    }
}

vectorised! {
    fn turn_halves<T>(a: &mut [T], b: &mut [T], cosines: &[T], sines: &[T]) {
        for (((a, b), c), s) in a.iter_mut().zip(b).zip(cosines).zip(sines) {
            (*a, *b) = (*a * *c - *b * *s, *b * *c + *a * *s);
        }
    }
}

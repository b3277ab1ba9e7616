//! Products in f32 cut into blocks that fit the caches, after Goto and van de Geijn 2008, "Anatomy of high-performance
//! matrix multiplication".
//!
//! The right side is packed into panels of some columns, once for all threads. Tasks take chunks of rows, whose number
//! depends on the shapes only, and go through the inner axis in parts; the left side is packed only where its rows are not
//! contiguous. Every element is a sum in one fixed order.

use std::any::TypeId;
use std::cell::Cell;
use std::thread::LocalKey;

use rayon::prelude::*;

use super::pack::{pack_left, pack_right};
use super::{Matrix, Shared, Target, Then};
use crate::kernel::Real;

/// Length of the inner axis that one pass takes at most: a panel of the right side then stays in the second cache.
const INNER: usize = 256;
/// Rows of one task, about.
const ROWS: usize = 192;
/// Below this number of multiplications packing costs more than it saves.
const SMALLEST: usize = 1 << 14;

/// Memory for packed panels, kept from product to product. A thread holds one of each side at a time.
type Scratch = LocalKey<Cell<Vec<f32>>>;

thread_local! {
    static LEFT: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    static RIGHT: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Runs `work` with `length` numbers of scratch memory, whatever they are.
fn with_scratch<R>(kept: &'static Scratch, length: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut scratch = kept.take();
    if scratch.len() < length {
        scratch.resize(length, 0.0);
    }
    let result = work(&mut scratch[..length]);
    kept.set(scratch);
    result
}

/// Whether this machine and these types have a product of ours; then it is done.
///
/// # Safety
/// As `super::call`.
pub(super) unsafe fn blocked<T: Real>(
    target: Target<T>,
    a: Matrix<T>,
    b: Matrix<T>,
    parallel: bool,
    then: Option<Then<T>>,
) -> bool {
    #[cfg(target_arch = "x86_64")]
    if TypeId::of::<T>() == TypeId::of::<f32>()
        && a.rows * b.columns * a.columns >= SMALLEST
        && super::micro::available()
    {
        // SAFETY: `T` is f32, so these are the same types.
        let (target, a, b, then) = unsafe {
            (
                std::mem::transmute_copy::<Target<T>, Target<f32>>(&target),
                std::mem::transmute_copy::<Matrix<T>, Matrix<f32>>(&a),
                std::mem::transmute_copy::<Matrix<T>, Matrix<f32>>(&b),
                std::mem::transmute_copy::<Option<Then<T>>, Option<Then<f32>>>(&then),
            )
        };
        // As few columns of padding as possible; but narrow panels spend more on each number of the left side.
        let vectors = b.columns.div_ceil(super::micro::LANES);
        let cost = |panel: usize| vectors.div_ceil(panel) * panel * [130, 105, 100, 100][panel - 1];
        // SAFETY: as our caller; the instructions are there.
        unsafe {
            match [4, 3, 2, 1].into_iter().min_by_key(|panel| cost(*panel)) {
                Some(4) => run::<4, 6>(target, a, b, parallel, then),
                Some(3) => run::<3, 8>(target, a, b, parallel, then),
                Some(2) => run::<2, 12>(target, a, b, parallel, then),
                _ => run::<1, 12>(target, a, b, parallel, then),
            }
        }
        return true;
    }
    let _ = (target, a, b, parallel, then);
    false
}

/// The product with panels of `V` vectors of columns and `M` rows.
///
/// # Safety
/// As `super::call`; AVX-512 is there.
#[cfg(target_arch = "x86_64")]
unsafe fn run<const V: usize, const M: usize>(
    target: Target<f32>,
    a: Matrix<f32>,
    b: Matrix<f32>,
    parallel: bool,
    then: Option<Then<f32>>,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    let width = V * super::micro::LANES;
    let panels = n.div_ceil(width);
    let inner = k.div_ceil(k.div_ceil(INNER));
    let parts = k.div_ceil(inner);
    // An even number of tasks of like size, where there are several.
    let tasks = m.div_ceil(ROWS);
    let tasks = if tasks > 1 { tasks.next_multiple_of(2) } else { tasks };
    let rows = m.div_ceil(tasks).next_multiple_of(M);
    let out = Shared(target.out);
    let work = |packed: &[f32], task: usize| {
        let out = &out;
        let first = task * rows;
        let count = rows.min(m - first);
        // SAFETY: tasks have rows of their own.
        let out = unsafe { out.0.add(first * target.stride) };
        let pass = |part: usize, left: Option<&mut [f32]>| {
            let start = part * inner;
            let length = inner.min(k - start);
            let right = &packed[start * panels * width..][..length * panels * width];
            let (left, strides) = match left {
                Some(scratch) => {
                    pack_left::<M>(scratch, a, first..first + count, start..start + length);
                    (&*scratch, (1, M, length * M))
                }
                None => (&a.data[first * a.strides.0 + start..], (a.strides.0, 1, a.strides.0 * M)),
            };
            let target = Target { out, keep: target.keep || part > 0, ..target };
            // SAFETY: the rows are inside `out`, the packed parts have the lengths said.
            unsafe { super::micro::panels::<V, M>(target, left, strides, right, length, count, n) };
        };
        if a.strides.1 == 1 {
            (0..parts).for_each(|part| pass(part, None));
        } else {
            let length = count.next_multiple_of(M) * inner;
            with_scratch(&LEFT, length, |scratch| (0..parts).for_each(|part| pass(part, Some(&mut *scratch))));
        }
        if let Some(then) = then {
            // SAFETY: these rows are written now, have no gaps and belong to this task.
            then(first, unsafe { std::slice::from_raw_parts_mut(out, count * n) });
        }
    };
    with_scratch(&RIGHT, panels * width * k, |packed| {
        let mut pieces = Vec::with_capacity(parts * panels);
        let mut rest = &mut *packed;
        for start in (0..k).step_by(inner) {
            let length = inner.min(k - start);
            for panel in 0..panels {
                let (piece, others) = rest.split_at_mut(length * width);
                rest = others;
                pieces.push((piece, start..start + length, panel * width));
            }
        }
        let tasks = m.div_ceil(rows);
        if parallel && tasks > 1 {
            let share = pieces.len().div_ceil(4);
            pieces.par_chunks_mut(share).for_each(|pieces| {
                pieces
                    .iter_mut()
                    .for_each(|(piece, inner, column)| pack_right(piece, width, b, inner.clone(), *column));
            });
            let packed = &*packed;
            (0..tasks).into_par_iter().for_each(|task| work(packed, task));
        } else {
            pieces.iter_mut().for_each(|(piece, inner, column)| pack_right(piece, width, b, inner.clone(), *column));
            (0..tasks).for_each(|task| work(packed, task));
        }
    });
}

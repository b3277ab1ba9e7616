//! Pictures as rows: patches, their embedding, where they stand on the grid.

use crate::dtype::DType;
use crate::error::Result;
use crate::nn::{Linear, LinearOptions};
use crate::scope::Scope;
use crate::tensor::Tensor;
use crate::weight::Init;

/// Pictures `[b, c, h, w]` cut into patches of `size` × `size` pixels: `[b · l, size² · c]`, patches row by row, in a patch
/// the order row, column, channel (He et al. 2021, arXiv:2111.06377). `size` divides both sides.
#[track_caller]
#[must_use]
pub fn patches(pixels_bchw: &Tensor, [channels, height, width]: [usize; 3], size: usize) -> Tensor {
    let [c, rows, columns, p] = [channels, height / size, width / size, size].map(|length| length as i64);
    let grid = pixels_bchw.reshape(&[-1, c, rows, p, columns, p]);
    grid.permute(&[0, 2, 4, 3, 5, 1]).reshape(&[-1, p * p * c])
}

/// The pictures `[b, c, h, w]` that [`patches`] `[b · l, size² · c]` were cut from.
#[track_caller]
#[must_use]
pub fn pictures(patches_mp: &Tensor, [channels, height, width]: [usize; 3], size: usize) -> Tensor {
    let [c, rows, columns, p] = [channels, height / size, width / size, size].map(|length| length as i64);
    let grid = patches_mp.reshape(&[-1, rows, columns, p, p, c]);
    grid.permute(&[0, 5, 1, 3, 2, 4]).reshape(&[-1, c, rows * p, columns * p])
}

/// Patches `[m, p]` with those at `places_c` (`i64`, each at most once) replaced by `patches_cp`: what a model predicted, put among
/// what it was shown.
#[track_caller]
#[must_use]
pub fn replaced(patches_mp: &Tensor, places_c: &Tensor, patches_cp: &Tensor) -> Tensor {
    let difference_cp = patches_cp.cast(DType::F32) - patches_mp.index_select(0, places_c).cast(DType::F32);
    patches_mp.cast(DType::F32).index_add(0, places_c, difference_cp)
}

/// The patches `[c]` (`i64`) of rows `[c]`, where a picture has `rows` of them, the first `class_rows` of which are no patches.
///
/// # Errors
/// When the rows cannot be read.
pub fn patches_of_rows(rows_c: &Tensor, rows: usize, class_rows: usize) -> Result<Tensor> {
    let (all, before) = (rows as i64, class_rows as i64);
    let patch = |row: i64| row / all * (all - before) + row % all - before;
    let places: Vec<i64> = rows_c.to_vec::<i64>()?.into_iter().map(patch).collect();
    Ok(Tensor::new(&places, &[places.len()]))
}

/// Fixed positions on a grid, `[rows · columns, width]`, row by row: the first half of the features tells the column, the
/// second the row, each as sines of x / 10000^(4i/width) for i below width/4, then cosines (He et al. 2021,
/// arXiv:2111.06377, in its code). `width` is a multiple of 4.
#[must_use]
pub fn grid_positions(rows: usize, columns: usize, width: usize) -> Vec<f32> {
    let quarter = width / 4;
    let rates: Vec<f64> = (0..quarter).map(|index| 10_000_f64.powf(-(index as f64) / quarter as f64)).collect();
    let mut table = Vec::with_capacity(rows * columns * width);
    for row in 0..rows {
        for column in 0..columns {
            for place in [column, row] {
                table.extend(rates.iter().map(|rate| (place as f64 * rate).sin() as f32));
                table.extend(rates.iter().map(|rate| (place as f64 * rate).cos() as f32));
            }
        }
    }
    table
}

/// A linear layer on patches. Weights: `weight` `[width, patch]`, `bias` `[width]`.
#[derive(Clone)]
pub struct PatchEmbedding(Linear);

impl PatchEmbedding {
    /// Makes it for patches of `features` numbers.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(scope: &Scope, features: usize, width: usize, init: Init) -> Result<Self> {
        Linear::new(scope, features, width, &LinearOptions::new().init(init).axes("width,patch")).map(Self)
    }

    /// Of patches `[m, patch]` of any floating type: `[m, width]`.
    ///
    /// # Errors
    /// When the weight cannot be used.
    pub fn apply(&self, patches_mp: &Tensor) -> Result<Tensor> {
        Ok(self.0.apply(&patches_mp.cast(self.0.weight().tensor().dtype()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_sines_and_cosines_of_column_and_row() {
        let table = grid_positions(2, 3, 8);
        assert_eq!(table.len(), 6 * 8);
        assert_eq!(table[..8], [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
        // Row 1, column 2.
        let (sin, cos) = (f64::sin, f64::cos);
        let expected = [sin(2.0), sin(0.02), cos(2.0), cos(0.02), sin(1.0), sin(0.01), cos(1.0), cos(0.01)];
        for (found, expected) in table[5 * 8..].iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }
}

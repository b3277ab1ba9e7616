//! Relative positions on a grid as biases of attention: a learned number for each head and offset in rows and columns.

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::mask::Mask;
use crate::scope::Scope;
use crate::tensor::Tensor;
use crate::weight::{Init, Weight, WeightOptions};

/// The biases (Liu et al. 2021, arXiv:2103.14030, section 3.2; with a class token as in Bao et al. 2021, arXiv:2106.08254).
/// Weights: `relative_position_bias_table` `[(2 · rows − 1)(2 · columns − 1) + 3, heads]`, the last three for the class token as
/// query, as key and with itself (left out without one). They start at 0.
#[derive(Clone)]
pub struct GridBias {
    table: Weight,
    num_heads: usize,
    rows: usize,
    columns: usize,
    class_token: bool,
}

impl GridBias {
    /// Makes it for a grid of `rows` × `columns`, before which a class token may stand.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(scope: &Scope, num_heads: usize, [rows, columns]: [usize; 2], class_token: bool) -> Result<Self> {
        let offsets = (2 * rows - 1) * (2 * columns - 1) + if class_token { 3 } else { 0 };
        let options = WeightOptions::new().no_decay().axes("offset,heads");
        let table = scope.weight_with("relative_position_bias_table", &[offsets, num_heads], Init::Zeros, &options)?;
        Ok(Self { table, num_heads, rows, columns, class_token })
    }

    /// The biases of rows that look at each other, for whole grids; with `positions` `[m]`, the places of those that are there,
    /// as many in each segment of `layout`, for some of them.
    ///
    /// # Errors
    /// When positions or layout cannot be read, or segments differ in length.
    #[track_caller]
    pub fn mask(&self, layout: &Layout, positions: Option<&Tensor>) -> Result<Mask> {
        let (segments, places) = match positions {
            None => (1, (0..self.rows * self.columns).collect::<Vec<_>>()),
            Some(positions) => {
                let places = positions.cast(crate::dtype::DType::I64).to_vec::<i64>()?;
                let all = self.rows * self.columns;
                let inside = |place: &i64| usize::try_from(*place).ok().filter(|place| *place < all);
                let places: Option<Vec<usize>> = places.iter().map(inside).collect();
                let places = places.ok_or_else(|| {
                    Error::data(format!("a position is not on the grid of {} × {} patches", self.rows, self.columns))
                })?;
                (layout.lengths().count()?.max(1), places)
            }
        };
        if !places.len().is_multiple_of(segments) {
            return Err(Error::data(format!(
                "{} patches cannot be shared evenly by {segments} pictures",
                places.len()
            ))
            .help("give the same number of patches of each picture"));
        }
        let each = places.len() / segments;
        let rows = each + usize::from(self.class_token);
        let mut offsets: Vec<i64> = Vec::with_capacity(segments * rows * rows);
        for segment in 0..segments {
            let own = &places[segment * each..(segment + 1) * each];
            let row = |at: usize| if self.class_token { at.checked_sub(1).map(|at| own[at]) } else { Some(own[at]) };
            for query in 0..rows {
                offsets.extend((0..rows).map(|key| self.offset(row(query), row(key)) as i64));
            }
        }
        let bias_ph = self.table.tensor().index_select(0, Tensor::new(&offsets, &[offsets.len()]));
        let dims = [segments, rows, rows, self.num_heads].map(|length| length as i64);
        Ok(Mask::bias(&bias_ph.reshape(&dims).permute(&[0, 3, 1, 2]).contiguous()))
    }

    /// The row of the table for a query and a key, `None` for the class token.
    fn offset(&self, query: Option<usize>, key: Option<usize>) -> usize {
        let across = 2 * self.columns - 1;
        let grid = (2 * self.rows - 1) * across;
        match (query, key) {
            (Some(query), Some(key)) => {
                let down = query / self.columns + self.rows - 1 - key / self.columns;
                down * across + query % self.columns + self.columns - 1 - key % self.columns
            }
            (None, Some(_)) => grid,
            (Some(_), None) => grid + 1,
            (None, None) => grid + 2,
        }
    }
}

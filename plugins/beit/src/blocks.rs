//! Which patches are hidden: blocks at random places until an exact number is reached.
//!
//! Bao et al. 2021, arXiv:2106.08254, algorithm 1.

/// The longest side of a block by its shortest, and the other way round.
const ASPECT: f64 = 0.3;
/// Blocks that are tried before the rest is filled up; reached only where nearly all is to be hidden.
const MOST_BLOCKS: usize = 200;

/// A grid of patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Patches from top to bottom.
    pub rows: usize,
    /// Patches from left to right.
    pub columns: usize,
}

impl Grid {
    /// Patches of a picture.
    #[must_use]
    pub fn patches(&self) -> usize {
        self.rows * self.columns
    }

    /// For each patch, row by row, whether it is hidden: exactly `count` of them, in blocks of at least `least` patches by uniform
    /// draws, four for each block: area, aspect, row, column. The last block is cut off, row by row, where the count is reached.
    ///
    /// # Errors
    /// Those of `draws`, which gives the draws of a block by its number.
    pub fn blocks<E>(
        &self,
        count: usize,
        least: usize,
        mut draws: impl FnMut(usize) -> Result<[f64; 4], E>,
    ) -> Result<Vec<bool>, E> {
        let mut masked = vec![false; self.patches()];
        let mut remaining = count.min(self.patches());
        for number in 0..MOST_BLOCKS {
            if remaining == 0 {
                break;
            }
            let [area, aspect, top, left] = draws(number)?;
            let least = least as f64;
            let area = least + area * (remaining as f64 - least).max(0.0);
            let aspect = (ASPECT.ln() + aspect * -2.0 * ASPECT.ln()).exp();
            let side = |length: f64, most: usize| (length.sqrt().round() as usize).clamp(1, most);
            let (height, width) = (side(area * aspect, self.rows), side(area / aspect, self.columns));
            let place = |draw: f64, room: usize| ((draw * (room + 1) as f64) as usize).min(room);
            let (top, left) = (place(top, self.rows - height), place(left, self.columns - width));
            for row in top..top + height {
                for column in left..left + width {
                    let patch = &mut masked[row * self.columns + column];
                    if !*patch && remaining > 0 {
                        *patch = true;
                        remaining -= 1;
                    }
                }
            }
        }
        masked.iter_mut().filter(|masked| !**masked).take(remaining).for_each(|masked| *masked = true);
        Ok(masked)
    }

    /// The same number of patches, each by a draw of its own: those with the least.
    #[must_use]
    pub fn scattered(&self, count: usize, draws: &[f64]) -> Vec<bool> {
        let mut order: Vec<usize> = (0..self.patches()).collect();
        order.sort_by(|a, b| draws[*a].total_cmp(&draws[*b]));
        let mut masked = vec![false; self.patches()];
        order.into_iter().take(count).for_each(|patch| masked[patch] = true);
        masked
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::convert::Infallible;

    use super::*;

    /// Uniform draws by a multiplicative generator (Park and Miller 1988).
    fn uniforms(seed: u64) -> impl FnMut(usize) -> Result<[f64; 4], Infallible> {
        let mut state = seed * 7919 + 1;
        move |_| {
            Ok(std::array::from_fn(|_| {
                state = state * 48_271 % 2_147_483_647;
                state as f64 / 2_147_483_647.0
            }))
        }
    }

    fn neighbours(grid: Grid, masked: &[bool]) -> f64 {
        let pairs = (0..grid.patches()).filter(|at| masked[*at]).map(|at| {
            usize::from((at + 1) % grid.columns != 0 && masked[at + 1])
                + usize::from(at + grid.columns < grid.patches() && masked[at + grid.columns])
        });
        pairs.sum::<usize>() as f64 / masked.iter().filter(|masked| **masked).count() as f64
    }

    #[test]
    fn exactly_as_many_as_asked_are_hidden_in_blocks() {
        let (mut of_blocks, mut of_points) = (0.0, 0.0);
        for (rows, columns, count) in [(14, 14, 75), (7, 7, 20), (4, 9, 1), (3, 3, 9)] {
            let grid = Grid { rows, columns };
            for seed in 0..60 {
                let mut draws = uniforms(seed);
                let masked = grid.blocks(count, 16.min(count), &mut draws).unwrap();
                assert_eq!(masked.iter().filter(|masked| **masked).count(), count, "{rows} × {columns}");
                let points: Vec<f64> = (0..grid.patches()).map(|at| draws(at).unwrap()[0]).collect();
                let scattered = grid.scattered(count, &points);
                assert_eq!(scattered.iter().filter(|masked| **masked).count(), count);
                if rows == 14 {
                    of_blocks += neighbours(grid, &masked) / 60.0;
                    of_points += neighbours(grid, &scattered) / 60.0;
                }
            }
        }
        // Of a patch's two neighbours to the right and below nearly all are hidden with it, against its share by chance.
        assert!(of_blocks > 1.3 && of_points < 0.9, "{of_blocks} {of_points}");
    }

    #[test]
    fn a_block_lies_where_its_draws_say() {
        let grid = Grid { rows: 4, columns: 5 };
        // Area 4, aspect 1, in the middle of three rows and four columns of places.
        let masked = grid.blocks::<Infallible>(4, 4, |_| Ok([0.5, 0.5, 0.5, 0.5])).unwrap();
        let places: Vec<usize> = (0..20).filter(|at| masked[*at]).collect();
        assert_eq!(places, [7, 8, 12, 13]);
    }
}

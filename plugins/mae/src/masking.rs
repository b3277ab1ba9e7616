//! Which patches stay, and what the others look like: pure functions of pixels and uniform draws.
//!
//! He et al. 2021, arXiv:2111.06377, section 3.

/// How pictures are cut into patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Colours of a pixel.
    pub channels: usize,
    /// Patches from top to bottom.
    pub rows: usize,
    /// Patches from left to right.
    pub columns: usize,
    /// Side of a patch in pixels.
    pub size: usize,
}

/// The patches of a picture in random order: the first `kept` are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shuffle {
    /// Patch numbers in the order of their draws.
    pub order: Vec<usize>,
    /// Where each patch stands in `order`.
    pub restore: Vec<usize>,
    /// How many are shown.
    pub kept: usize,
}

impl Grid {
    /// Patches of a picture.
    #[must_use]
    pub fn patches(&self) -> usize {
        self.rows * self.columns
    }

    /// Numbers of a patch.
    #[must_use]
    pub fn features(&self) -> usize {
        self.size * self.size * self.channels
    }

    /// Patches that are shown at this rate of masking: the share that is left, rounded down.
    #[must_use]
    pub fn kept(&self, mask_rate: f64) -> usize {
        // Without the tolerance 64 · (1 − 0.75) might be a hair below 16.
        ((self.patches() as f64) * (1.0 - mask_rate) + 1e-9).floor() as usize
    }

    /// Appends patch `number` of the pixels `[c, h, w]`; in it the order is row, column, channel.
    ///
    /// # Panics
    /// When there is no such patch.
    pub fn append_patch(&self, pixels: &[f32], number: usize, patches: &mut Vec<f32>) {
        let Self { channels, rows, columns, size } = *self;
        let (height, width) = (rows * size, columns * size);
        let (top, left) = (number / columns * size, number % columns * size);
        for row in top..top + size {
            for column in left..left + size {
                patches.extend((0..channels).map(|channel| pixels[(channel * height + row) * width + column]));
            }
        }
    }
}

impl Shuffle {
    /// Patches by ascending draw, equal draws by number; the first `kept` are shown.
    #[must_use]
    pub fn new(draws: &[f64], kept: usize) -> Self {
        let mut order: Vec<usize> = (0..draws.len()).collect();
        order.sort_by(|a, b| draws[*a].total_cmp(&draws[*b]));
        let mut restore = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, patch)| restore[*patch] = place);
        Self { order, restore, kept }
    }

    /// The patches that are shown, in the order of their draws.
    #[must_use]
    pub fn shown(&self) -> &[usize] {
        &self.order[..self.kept]
    }

    /// The patches that are hidden, in the order of their draws.
    #[must_use]
    pub fn hidden(&self) -> &[usize] {
        &self.order[self.kept..]
    }
}

/// Added to the variance of a patch.
pub const EPSILON: f64 = 1e-6;

/// (x − mean) / √(variance + 1e-6), the variance over the count less one.
pub fn normalise(patch: &mut [f32]) {
    let count = patch.len() as f64;
    let mean = patch.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    let squares = patch.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>();
    let scale = (squares / (count - 1.0).max(1.0) + EPSILON).sqrt().recip();
    patch.iter_mut().for_each(|x| *x = ((f64::from(*x) - mean) * scale) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { channels: 2, rows: 2, columns: 3, size: 2 };

    /// Pixels `[2, 4, 6]` that name their place: channel · 100 + row · 10 + column.
    fn pixels() -> Vec<f32> {
        (0..2 * 4 * 6).map(|at| (at / 24 * 100 + at / 6 % 4 * 10 + at % 6) as f32).collect()
    }

    #[test]
    fn a_patch_goes_by_row_then_column_then_channel() {
        let mut patch = Vec::new();
        GRID.append_patch(&pixels(), 4, &mut patch);
        assert_eq!(patch, [22.0, 122.0, 23.0, 123.0, 32.0, 132.0, 33.0, 133.0]);
    }

    #[test]
    fn the_patches_hold_every_pixel_once() {
        let mut all = Vec::new();
        (0..GRID.patches()).for_each(|number| GRID.append_patch(&pixels(), number, &mut all));
        let mut sorted = pixels();
        all.sort_by(f32::total_cmp);
        sorted.sort_by(f32::total_cmp);
        assert_eq!(all, sorted);
    }

    #[test]
    fn exactly_the_patches_above_the_kept_share_are_hidden() {
        for (rows, columns) in [(7, 7), (8, 8), (16, 16), (1, 5)] {
            let grid = Grid { rows, columns, ..GRID };
            let kept = grid.kept(0.75);
            assert_eq!(kept, grid.patches() / 4);
            let draws: Vec<f64> = (0..grid.patches()).map(|at| (at * 37 % 101) as f64 / 101.0).collect();
            assert_eq!(Shuffle::new(&draws, kept).hidden().len(), grid.patches() - grid.patches() / 4);
        }
        assert_eq!(Grid { rows: 7, columns: 7, ..GRID }.kept(0.9), 4);
    }

    #[test]
    fn unshuffling_what_was_shuffled_gives_it_back() {
        let shuffle = Shuffle::new(&[0.5, 0.1, 0.9, 0.3, 0.1], 2);
        assert_eq!(shuffle.order, [1, 4, 3, 0, 2]);
        assert_eq!((shuffle.shown(), shuffle.hidden()), (&[1, 4][..], &[3, 0, 2][..]));
        let back: Vec<usize> = shuffle.restore.iter().map(|place| shuffle.order[*place]).collect();
        assert_eq!(back, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn normalised_pixels_are_those_of_the_reference_code() {
        let mut patch = [1.0, 2.0, 3.0, 4.0];
        normalise(&mut patch);
        for (found, expected) in patch.iter().zip([-1.1619, -0.3873, 0.3873, 1.1619]) {
            assert!((found - expected).abs() < 5e-5, "{patch:?}");
        }
        let mut flat = [3.0; 4];
        normalise(&mut flat);
        assert_eq!(flat, [0.0; 4]);
    }

    #[test]
    fn what_is_hidden_does_not_show_in_what_is_shown() {
        let shuffle = Shuffle::new(&[0.5, 0.1, 0.9, 0.3, 0.2, 0.7], 2);
        let shown = |pixels: &[f32]| {
            let mut patches = Vec::new();
            shuffle.shown().iter().for_each(|number| GRID.append_patch(pixels, *number, &mut patches));
            patches
        };
        let mut changed = pixels();
        // Patch 0 is hidden: its pixels are rows and columns 0 and 1.
        changed[7] += 1.0;
        assert_eq!(shown(&changed), shown(&pixels()));
    }
}

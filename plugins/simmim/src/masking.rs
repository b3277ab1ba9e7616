//! Which patches are hidden: units of several patches, an exact number of them, by uniform draws.
//!
//! Xie et al. 2021, arXiv:2111.09886, section 3.2.

/// How units lie over the patches of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// Units from top to bottom.
    pub rows: usize,
    /// Units from left to right.
    pub columns: usize,
    /// Side of a unit in patches.
    pub side: usize,
}

impl Units {
    /// Units of a picture.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows * self.columns
    }

    /// Units that are hidden at this rate, rounded up.
    #[must_use]
    pub fn hidden(&self, mask_rate: f64) -> usize {
        // Without the tolerance 50 · 0.6 might be a hair above 30.
        ((self.count() as f64 * mask_rate - 1e-9).ceil() as usize).clamp(1, self.count())
    }

    /// For each patch, row by row, whether it is hidden: those of the `hidden` units with the least draws, of equal ones the
    /// first.
    #[must_use]
    pub fn masked(&self, draws: &[f64], hidden: usize) -> Vec<bool> {
        let mut order: Vec<usize> = (0..self.count()).collect();
        order.sort_by(|a, b| draws[*a].total_cmp(&draws[*b]));
        let width = self.columns * self.side;
        let mut masked = vec![false; self.count() * self.side * self.side];
        for unit in order.into_iter().take(hidden) {
            let (top, left) = (unit / self.columns * self.side, unit % self.columns * self.side);
            for row in top..top + self.side {
                masked[row * width + left..row * width + left + self.side].fill(true);
            }
        }
        masked
    }
}

/// Pixels of patch `number` of a picture `[c, h, w]`; in it the order is channel, row, column.
///
/// # Panics
/// When there is no such patch.
pub fn append_patch(
    pixels: &[f32],
    [channels, height, width]: [usize; 3],
    size: usize,
    number: usize,
    out: &mut Vec<f32>,
) {
    let across = width / size;
    let (top, left) = (number / across * size, number % across * size);
    for channel in 0..channels {
        for row in top..top + size {
            let start = (channel * height + row) * width + left;
            out.extend_from_slice(&pixels[start..start + size]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_asked_share_is_hidden_in_whole_units() {
        let units = Units { rows: 7, columns: 7, side: 1 };
        assert_eq!(units.hidden(0.6), 30);
        assert_eq!(Units { rows: 5, columns: 10, side: 1 }.hidden(0.6), 30);
        let units = Units { rows: 2, columns: 3, side: 2 };
        for hidden in 1..=6 {
            let masked = units.masked(&[0.5, 0.1, 0.9, 0.3, 0.2, 0.7], hidden);
            assert_eq!(masked.iter().filter(|masked| **masked).count(), 4 * hidden);
        }
        // Units 1 and 4: the middle of three columns of units, all four rows of patches.
        let row = [false, false, true, true, false, false];
        assert_eq!(units.masked(&[0.5, 0.1, 0.9, 0.3, 0.2, 0.7], 2), row.repeat(4));
    }

    #[test]
    fn a_patch_goes_by_channel_then_row_then_column() {
        // Pixels [2, 4, 6] that name their place: channel · 100 + row · 10 + column.
        let pixels: Vec<f32> = (0..48).map(|at| (at / 24 * 100 + at / 6 % 4 * 10 + at % 6) as f32).collect();
        let mut patch = Vec::new();
        append_patch(&pixels, [2, 4, 6], 2, 4, &mut patch);
        assert_eq!(patch, [22.0, 23.0, 32.0, 33.0, 122.0, 123.0, 132.0, 133.0]);
    }
}

//! The columns of a batch: what is shown of each picture, what is hidden, and where all of it stands.

use crate::masking::{Grid, Shuffle, normalise};

/// Columns under construction, a picture at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    grid: Grid,
    kept: usize,
    class_rows: usize,
    norm_pix: bool,
    /// Patches that are shown `[b · k, patch]`, in the order of their draws.
    pub shown: Vec<f32>,
    /// Their numbers on the grid `[b · k]`.
    pub positions: Vec<i64>,
    /// Patches that are hidden `[c, patch]`, normalised where that is asked for.
    pub targets: Vec<f32>,
    /// For each decoder row its encoder row, the one past the last for the mask token.
    pub unshuffle: Vec<i64>,
    /// Decoder rows of the hidden patches `[c]`.
    pub hidden: Vec<i64>,
    next: usize,
    pictures: usize,
}

impl Columns {
    /// For so many pictures, of whose patches `kept` are shown; a class token stands before them where `class_token`.
    #[must_use]
    pub fn new(grid: Grid, kept: usize, class_token: bool, norm_pix: bool, pictures: usize) -> Self {
        Self {
            grid,
            kept,
            class_rows: usize::from(class_token),
            norm_pix,
            shown: Vec::with_capacity(pictures * kept * grid.features()),
            positions: Vec::with_capacity(pictures * kept),
            targets: Vec::with_capacity(pictures * (grid.patches() - kept) * grid.features()),
            unshuffle: Vec::with_capacity(pictures * (grid.patches() + 1)),
            hidden: Vec::with_capacity(pictures * (grid.patches() - kept)),
            next: 0,
            pictures,
        }
    }

    /// Rows of a picture in the encoder and in the decoder.
    #[must_use]
    pub fn rows(&self) -> [usize; 2] {
        [self.kept, self.grid.patches()].map(|patches| patches + self.class_rows)
    }

    /// The next picture: its pixels `[c, h, w]`, its patches in their order.
    pub fn push(&mut self, pixels: &[f32], shuffle: &Shuffle) {
        let [shown_rows, all_rows] = self.rows();
        let (first_shown, first_row) = (self.next * shown_rows, self.next * all_rows);
        let mask_token = (self.pictures * shown_rows) as i64;
        for &patch in shuffle.shown() {
            self.grid.append_patch(pixels, patch, &mut self.shown);
            self.positions.push(patch as i64);
        }
        for &patch in shuffle.hidden() {
            let start = self.targets.len();
            self.grid.append_patch(pixels, patch, &mut self.targets);
            if self.norm_pix {
                normalise(&mut self.targets[start..]);
            }
            self.hidden.push((first_row + self.class_rows + patch) as i64);
        }
        self.unshuffle.extend((0..self.class_rows).map(|row| (first_shown + row) as i64));
        let row_of = |place: usize| {
            if place < self.kept { (first_shown + self.class_rows + place) as i64 } else { mask_token }
        };
        self.unshuffle.extend(shuffle.restore.iter().map(|place| row_of(*place)));
        self.next += 1;
    }
}

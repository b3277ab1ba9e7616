//! Which part of a picture is shown, at which size, and whether in a mirror: drawn once, applied to any number of views.

use philox::Key;

use crate::{Filter, Picture, VOID};

/// How pictures come to their size.
#[derive(Clone, Debug, PartialEq)]
pub enum Crop {
    /// Both sides are scaled, whatever that does to shapes.
    Stretch,
    /// Scaled until the shorter side is 1 / `share` of what is needed; then the middle.
    Centre {
        /// Share of the shorter side that is seen, more than 0 and at most 1.
        share: f64,
    },
    /// Scaled and cut as [`Crop::Centre`] with a share of 1, then moved by up to so many pixels each way; what comes in from
    /// outside is black. Krizhevsky et al. 2012, as customary for CIFAR.
    Shifted {
        /// Pixels.
        padding: usize,
    },
    /// A part of random size and shape, scaled: Szegedy et al. 2014, arXiv:1409.4842, section 6.
    Resized {
        /// Least and largest share of the area.
        scale: [f64; 2],
        /// Least and largest width over height; their logarithm is uniform.
        ratio: [f64; 2],
    },
}

/// A part of a picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Rows above it.
    pub top: usize,
    /// Columns left of it.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A crop as it was drawn for a picture of a certain size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// What is cut out.
    pub area: Area,
    /// Share of each side (vertical, horizontal) of the resized area that is seen.
    seen: [f64; 2],
    /// Where the seen part lies: shares of the side of the seen part, from its middle place.
    moved: [f64; 2],
    /// Whether left and right change places.
    pub flipped: bool,
}

/// Draws before the middle is taken instead, as in torchvision.
const ATTEMPTS: u64 = 10;

impl Geometry {
    /// A crop to `height` × `width` of a picture of `rows` × `columns` pixels, mirrored with probability `flip`. The draws go by
    /// `key` alone.
    #[must_use]
    pub fn draw(crop: &Crop, flip: f64, [height, width]: [usize; 2], [rows, columns]: [usize; 2], key: Key) -> Self {
        let whole = Area { top: 0, left: 0, height: rows, width: columns };
        let flipped = flip > 0.0 && key.stream("flip").uniform(0) < flip;
        let still = Self { area: whole, seen: [1.0; 2], moved: [0.0; 2], flipped };
        // Of the side that is too long for the shape, a part is seen.
        let covering = |share: f64| {
            let scale = (height as f64 / rows as f64).max(width as f64 / columns as f64) / share;
            [height as f64 / (rows as f64 * scale), width as f64 / (columns as f64 * scale)]
        };
        match *crop {
            Crop::Stretch => still,
            Crop::Centre { share } => Self { seen: covering(share), ..still },
            Crop::Shifted { padding } => {
                let key = key.stream("shift");
                let draw = |at: u64, side: usize| {
                    let pixels = key.below(at, 2 * padding as u64 + 1) as f64 - padding as f64;
                    pixels / side as f64
                };
                Self { seen: covering(1.0), moved: [draw(0, height), draw(1, width)], ..still }
            }
            Crop::Resized { scale, ratio } => Self { area: random_area([rows, columns], scale, ratio, key), ..still },
        }
    }

    /// The view of `height` × `width` pixels. Views of several sizes, or of several pictures of one size (a photograph and its
    /// map of classes), show the same part.
    ///
    /// # Errors
    /// A size of 0, in words.
    pub fn apply(&self, picture: &Picture, size: [usize; 2], filter: Filter) -> Result<Picture, String> {
        self.apply_with(picture, size, filter, 0)
    }

    /// The same part of a map of classes; outside of it there is none.
    ///
    /// # Errors
    /// A size of 0, in words.
    pub fn apply_to_classes(&self, classes: &Picture, size: [usize; 2]) -> Result<Picture, String> {
        self.apply_with(classes, size, Filter::Nearest, VOID)
    }

    fn apply_with(
        &self,
        picture: &Picture,
        [height, width]: [usize; 2],
        filter: Filter,
        outside: u8,
    ) -> Result<Picture, String> {
        // Parts of a pixel are dropped, as in torchvision; without the tolerance 32 might be a hair below 32.
        let side = |side: usize, seen: f64| ((side as f64 / seen + 1e-9).floor() as usize).max(side);
        let (rows, columns) = (side(height, self.seen[0]), side(width, self.seen[1]));
        let resized = picture.part(self.area).resized(rows, columns, filter)?;
        let place = |all: usize, side: usize, moved: f64| {
            // Half pixels go to the even side, as in torchvision.
            ((all - side) as f64 / 2.0).round_ties_even() as i64 + (moved * side as f64).round() as i64
        };
        let (top, left) = (place(rows, height, self.moved[0]), place(columns, width, self.moved[1]));
        let mut view = resized.window(top, left, height, width, outside);
        if self.flipped {
            view.mirror();
        }
        Ok(view)
    }
}

/// An area of random size and shape that lies within the picture; where ten draws give none, the largest in the middle whose
/// shape is allowed.
fn random_area([rows, columns]: [usize; 2], scale: [f64; 2], ratio: [f64; 2], key: Key) -> Area {
    let key = key.stream("area");
    let between = |at: u64, [least, most]: [f64; 2]| least + (most - least) * key.uniform(at);
    for attempt in 0..ATTEMPTS {
        let area = (rows * columns) as f64 * between(4 * attempt, scale);
        let shape = between(4 * attempt + 1, ratio.map(f64::ln)).exp();
        let (height, width) = ((area / shape).sqrt().round() as usize, (area * shape).sqrt().round() as usize);
        if (1..=rows).contains(&height) && (1..=columns).contains(&width) {
            let top = key.below(4 * attempt + 2, (rows - height + 1) as u64) as usize;
            let left = key.below(4 * attempt + 3, (columns - width + 1) as u64) as usize;
            return Area { top, left, height, width };
        }
    }
    let shape = columns as f64 / rows as f64;
    let (height, width) = if shape < ratio[0] {
        (((columns as f64 / ratio[0]).round() as usize).clamp(1, rows), columns)
    } else if shape > ratio[1] {
        (rows, ((rows as f64 * ratio[1]).round() as usize).clamp(1, columns))
    } else {
        (rows, columns)
    };
    Area { top: (rows - height) / 2, left: (columns - width) / 2, height, width }
}

impl Picture {
    /// A part of it.
    fn part(&self, area: Area) -> Self {
        if (area.height, area.width) == (self.height, self.width) {
            return self.clone();
        }
        self.window(area.top as i64, area.left as i64, area.height, area.width, 0)
    }

    /// `height` × `width` pixels from row `top` and column `left` on; `outside` where there are none.
    fn window(&self, top: i64, left: i64, height: usize, width: usize, outside: u8) -> Self {
        if (top, left, height, width) == (0, 0, self.height, self.width) {
            return self.clone();
        }
        let channels = self.channels;
        let mut pixels = vec![outside; height * width * channels];
        // Columns of the window that lie within the picture.
        let first = (-left).clamp(0, width as i64) as usize;
        let last = (self.width as i64 - left).clamp(first as i64, width as i64) as usize;
        for (row, out) in pixels.chunks_exact_mut(width * channels).enumerate() {
            let from = top + row as i64;
            if (0..self.height as i64).contains(&from) && first < last {
                let start = (from as usize * self.width + (left + first as i64) as usize) * channels;
                let count = (last - first) * channels;
                out[first * channels..last * channels].copy_from_slice(&self.pixels[start..start + count]);
            }
        }
        Self { height, width, channels, pixels }
    }

    /// Swaps left and right.
    fn mirror(&mut self) {
        let channels = self.channels;
        for row in self.pixels.chunks_exact_mut(self.width * channels) {
            let (mut left, mut right) = (0, self.width - 1);
            while left < right {
                for channel in 0..channels {
                    row.swap(left * channels + channel, right * channels + channel);
                }
                (left, right) = (left + 1, right - 1);
            }
        }
    }
}

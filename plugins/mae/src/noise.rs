//! Masks from filtered noise: patches in the order of a random field, whose colour says how clustered they are.
//!
//! ColorMAE (Hinojosa et al. 2024, arXiv:2407.13036, section 3). Each picture has a field of its own on the grid of its patches,
//! with periodic borders; the paper crops fields from a stack that is made once, and does not tell the widths of its filters.

use std::f64::consts::TAU;

/// Deviation in patches of the filter of red noise.
const RED: f64 = 1.5;
/// That of what blue noise leaves out.
const BLUE: f64 = 1.0;
/// Those between which green noise lies, and that purple noise leaves out.
const GREEN: [f64; 2] = [0.6, 1.5];

/// Which frequencies of white noise are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Low ones: large clusters.
    Red,
    /// High ones: patches apart from each other.
    Blue,
    /// Those in the middle.
    Green,
    /// All but those in the middle.
    Purple,
}

impl Color {
    /// The names, as the setting `mask` writes them.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "red" => Self::Red,
            "blue" => Self::Blue,
            "green" => Self::Green,
            "purple" => Self::Purple,
            _ => return None,
        })
    }

    /// White noise `[rows · columns]` filtered.
    #[must_use]
    pub fn of(self, white: &[f64], rows: usize, columns: usize) -> Vec<f64> {
        let low = |deviation: f64| blurred(white, rows, columns, deviation);
        let less = |from: &[f64], what: &[f64]| from.iter().zip(what).map(|(a, b)| a - b).collect::<Vec<_>>();
        let green = || less(&low(GREEN[0]), &low(GREEN[1]));
        match self {
            Self::Red => low(RED),
            Self::Blue => less(white, &low(BLUE)),
            Self::Green => green(),
            Self::Purple => less(white, &green()),
        }
    }
}

/// Independent normal numbers from twice as many uniform ones above 0 (Box and Muller 1958).
#[must_use]
pub fn normals(uniforms: &[f64]) -> Vec<f64> {
    uniforms.as_chunks::<2>().0.iter().map(|[u, v]| (-2.0 * u.ln()).sqrt() * (TAU * v).cos()).collect()
}

/// A Gaussian blur on a torus of `rows` × `columns`.
#[must_use]
pub fn blurred(field: &[f64], rows: usize, columns: usize, deviation: f64) -> Vec<f64> {
    let across = weights(columns, deviation);
    let down = weights(rows, deviation);
    let mut half = vec![0.0; field.len()];
    for row in 0..rows {
        for column in 0..columns {
            let line = &field[row * columns..(row + 1) * columns];
            half[row * columns + column] =
                (0..columns).map(|step| across[step] * line[(column + step) % columns]).sum();
        }
    }
    let mut whole = vec![0.0; field.len()];
    for row in 0..rows {
        for column in 0..columns {
            whole[row * columns + column] =
                (0..rows).map(|step| down[step] * half[(row + step) % rows * columns + column]).sum();
        }
    }
    whole
}

/// The weight of each step on a circle of `length` places, all together 1; steps beyond it come round again.
fn weights(length: usize, deviation: f64) -> Vec<f64> {
    let reach = 1 + (6.0 * deviation / length as f64).ceil() as i64;
    let of = |step: usize| -> f64 {
        let places = (-reach..=reach).map(|turn| step as f64 + (turn * length as i64) as f64);
        places.map(|place| (-place * place / (2.0 * deviation * deviation)).exp()).sum()
    };
    let weights: Vec<f64> = (0..length).map(of).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masking::{Grid, Shuffle};

    const COLORS: [Color; 4] = [Color::Red, Color::Green, Color::Blue, Color::Purple];

    /// Uniform numbers by a multiplicative generator (Park and Miller 1988).
    fn uniforms(seed: u64, count: usize) -> Vec<f64> {
        let mut state = seed * 7919 + 1;
        let mut next = || {
            state = state * 48_271 % 2_147_483_647;
            state as f64 / 2_147_483_647.0
        };
        (0..20).for_each(|_| _ = next());
        (0..count).map(|_| next()).collect()
    }

    fn white(seed: u64, size: usize) -> Vec<f64> {
        normals(&uniforms(seed, 2 * size))
    }

    #[test]
    fn complements_restore_the_white_noise() {
        let (rows, columns) = (5, 8);
        let white = white(3, rows * columns);
        let of = |color: Color| color.of(&white, rows, columns);
        let (green, purple, blue) = (of(Color::Green), of(Color::Purple), of(Color::Blue));
        let low = blurred(&white, rows, columns, BLUE);
        for at in 0..white.len() {
            assert!((green[at] + purple[at] - white[at]).abs() < 1e-12);
            assert!((blue[at] + low[at] - white[at]).abs() < 1e-12);
        }
        // A blur keeps the mean, and a constant.
        assert!((low.iter().sum::<f64>() - white.iter().sum::<f64>()).abs() < 1e-9);
        assert!(blurred(&[2.0; 6], 2, 3, 0.7).iter().all(|value| (value - 2.0).abs() < 1e-12));
    }

    /// How many neighbours of a visible patch are visible, on average.
    fn clustering(color: Option<Color>, side: usize) -> f64 {
        let grid = Grid { channels: 1, rows: side, columns: side, size: 1 };
        let kept = grid.kept(0.75);
        let pictures = 400;
        let mut pairs = 0;
        for seed in 0..pictures {
            let white = white(seed, side * side);
            let field = color.map_or_else(|| white.clone(), |color| color.of(&white, side, side));
            let shuffle = Shuffle::new(&field.iter().map(|value| -value).collect::<Vec<_>>(), kept);
            assert_eq!(shuffle.shown().len(), side * side / 4, "exactly a quarter is visible");
            let mut shown = vec![false; side * side];
            shuffle.shown().iter().for_each(|patch| shown[*patch] = true);
            for &patch in shuffle.shown() {
                let (row, column) = (patch / side, patch % side);
                pairs += usize::from(row > 0 && shown[patch - side]);
                pairs += usize::from(row + 1 < side && shown[patch + side]);
                pairs += usize::from(column > 0 && shown[patch - 1]);
                pairs += usize::from(column + 1 < side && shown[patch + 1]);
            }
        }
        pairs as f64 / (kept as u64 * pictures) as f64
    }

    #[test]
    fn colors_cluster_as_they_should() {
        for (side, expected) in [(14, [2.73, 1.32, 0.67, 0.68, 0.92]), (7, [2.23, 1.18, 0.58, 0.56, 0.81])] {
            let found: Vec<f64> =
                COLORS.into_iter().map(Some).chain([None]).map(|color| clustering(color, side)).collect();
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 0.15, "{side}: {found} is not about {expected}");
            }
            let [red, green, blue, purple, white] = found[..] else { panic!("five figures") };
            assert!(red > green && green > white && white > blue && white > purple);
        }
    }
}

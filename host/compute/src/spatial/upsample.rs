//! Interpolation to another size, larger or smaller.

use super::resample::{AxisMap, resample};
use super::{checked, pair};
use crate::{Error, Result, Tensor};

/// `x` `[b, c, l]` at length `size`: output `i` is input `floor(i · l / size)`.
///
/// # Errors
/// When the rank is not 3 or `size` is 0.
pub fn upsample_nearest1d(x: &Tensor, size: [usize; 1]) -> Result<Tensor> {
    interpolated("upsample_nearest1d", x, size, nearest)
}

/// `x` `[b, c, h, w]` at `size` (height, width), each axis as in [`upsample_nearest1d`].
///
/// # Errors
/// When the rank is not 4 or `size` has a 0.
pub fn upsample_nearest2d(x: &Tensor, size: [usize; 2]) -> Result<Tensor> {
    interpolated("upsample_nearest2d", x, size, nearest)
}

/// `x` `[b, c, l]` at length `size`, linearly interpolated, as [`upsample_bilinear`].
///
/// # Errors
/// When the rank is not 3 or `size` is 0.
pub fn upsample_linear(x: &Tensor, size: [usize; 1], align_corners: bool) -> Result<Tensor> {
    interpolated("upsample_linear", x, size, |length, size| linear(length, size, align_corners))
}

/// `x` `[b, c, h, w]` at `size` (height, width), bilinearly interpolated.
///
/// With `align_corners` the outermost pixels keep their centres (output `i` reads `i·(n−1)/(size−1)`); else the outer
/// edges coincide (`(i+½)·n/size − ½`, not below 0 nor above `n−1`).
///
/// # Errors
/// When the rank is not 4 or `size` has a 0.
pub fn upsample_bilinear(x: &Tensor, size: [usize; 2], align_corners: bool) -> Result<Tensor> {
    interpolated("upsample_bilinear", x, size, |length, size| linear(length, size, align_corners))
}

fn interpolated<const N: usize>(
    name: &'static str,
    x: &Tensor,
    size: [usize; N],
    map: impl Fn(usize, usize) -> AxisMap,
) -> Result<Tensor> {
    let [_, _, height, width] = checked(name, x, N)?;
    if size.contains(&0) {
        return Err(Error::argument(name, format!("the size {size:?} has a 0")));
    }
    let size = pair(size, 1);
    let rows = if N == 1 { AxisMap::identity(1) } else { map(height, size[0]) };
    resample(name, x, N, &rows, &map(width, size[1]))
}

fn nearest(length: usize, size: usize) -> AxisMap {
    AxisMap::new(length, size, |output| vec![(output * length / size, 1.0)])
}

fn linear(length: usize, size: usize, align_corners: bool) -> AxisMap {
    AxisMap::new(length, size, |output| {
        let position = if !align_corners {
            ((output as f64 + 0.5) * length as f64 / size as f64 - 0.5).max(0.0)
        } else if size == 1 {
            0.0
        } else {
            output as f64 * (length - 1) as f64 / (size - 1) as f64
        };
        let low = (position as usize).min(length - 1);
        let high = (low + 1).min(length - 1);
        let share = position - low as f64;
        if high == low || share == 0.0 { vec![(low, 1.0)] } else { vec![(low, 1.0 - share), (high, share)] }
    })
}

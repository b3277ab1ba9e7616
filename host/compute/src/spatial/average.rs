//! Averages over windows.

use super::checked;
use super::max_pool::Pool;
use super::pair;
use super::resample::{AxisMap, resample};
use super::windows::Windows;
use crate::{Error, Result, Tensor};

/// The mean of each window of `x` `[b, c, l]`. Padding counts as zeros with `count_padding`, else not at all.
///
/// # Errors
/// When the rank is not 3 or a window does not fit.
pub fn avg_pool1d(x: &Tensor, pool: Pool<1>, count_padding: bool) -> Result<Tensor> {
    avg_pool("avg_pool1d", x, pool, count_padding)
}

/// The mean of each window of `x` `[b, c, h, w]`. Padding counts as zeros with `count_padding`, else not at all.
///
/// # Errors
/// When the rank is not 4 or a window does not fit.
pub fn avg_pool2d(x: &Tensor, pool: Pool<2>, count_padding: bool) -> Result<Tensor> {
    avg_pool("avg_pool2d", x, pool, count_padding)
}

fn avg_pool<const N: usize>(name: &'static str, x: &Tensor, pool: Pool<N>, count_padding: bool) -> Result<Tensor> {
    let [_, _, height, width] = checked(name, x, N)?;
    let windows = pool.windows(name, [height, width])?;
    resample(name, x, N, &window_means(&windows, 0, count_padding), &window_means(&windows, 1, count_padding))
}

fn window_means(windows: &Windows, axis: usize, count_padding: bool) -> AxisMap {
    let (length, kernel) = (windows.input[axis], windows.kernel[axis]);
    AxisMap::new(length, windows.output[axis], |output| {
        // Positions are counted in the padded axis.
        let start = output * windows.stride[axis];
        let padding = windows.padding[axis];
        let inside = start.max(padding) - padding..(start + kernel).min(padding + length).saturating_sub(padding);
        let share = 1.0 / if count_padding { kernel } else { inside.len() } as f64;
        inside.map(|input| (input, share)).collect()
    })
}

/// The mean of `size` nearly equal stretches of `x` `[b, c, l]`: stretch `i` is `floor(i·l/size) .. ceil((i+1)·l/size)`.
///
/// # Errors
/// When the rank is not 3 or `size` is 0.
pub fn adaptive_avg_pool1d(x: &Tensor, size: [usize; 1]) -> Result<Tensor> {
    adaptive("adaptive_avg_pool1d", x, size)
}

/// The means of a grid of `size` nearly equal parts of `x` `[b, c, h, w]`, divided as in [`adaptive_avg_pool1d`].
///
/// # Errors
/// When the rank is not 4 or `size` has a 0.
pub fn adaptive_avg_pool2d(x: &Tensor, size: [usize; 2]) -> Result<Tensor> {
    adaptive("adaptive_avg_pool2d", x, size)
}

fn adaptive<const N: usize>(name: &'static str, x: &Tensor, size: [usize; N]) -> Result<Tensor> {
    let [_, _, height, width] = checked(name, x, N)?;
    if size.contains(&0) {
        return Err(Error::argument(name, format!("the size {size:?} has a 0")));
    }
    let size = pair(size, 1);
    let stretches = |length: usize, size: usize| {
        AxisMap::new(length, size, |output| {
            let stretch = output * length / size..((output + 1) * length).div_ceil(size);
            let share = 1.0 / stretch.len() as f64;
            stretch.map(|input| (input, share)).collect()
        })
    };
    resample(name, x, N, &stretches(height, size[0]), &stretches(width, size[1]))
}

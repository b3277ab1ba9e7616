//! The largest element of each window.

use rayon::prelude::*;

use super::windows::Windows;
use super::{checked, lifted, lowered, pair};
use crate::kernel::{Real, by_real, slice, value_of, widen};
use crate::{Error, Result, Tensor, Value};

/// How a pool over `N` axes moves. [`Pool::new`] gives windows side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool<const N: usize> {
    /// Lengths of a window.
    pub kernel: [usize; N],
    /// Inputs from one window to the next; need not be the kernel.
    pub stride: [usize; N],
    /// Positions added on both ends, at most half the kernel.
    pub padding: [usize; N],
}

impl<const N: usize> Pool<N> {
    /// Windows of this size side by side, without padding.
    #[must_use]
    pub fn new(kernel: [usize; N]) -> Self {
        Self { kernel, stride: kernel, padding: [0; N] }
    }

    pub(super) fn windows(&self, name: &'static str, input: [usize; 2]) -> Result<Windows> {
        for axis in 0..N {
            if self.padding[axis] > self.kernel[axis] / 2 {
                let fact = format!("padding {:?} is more than half of the kernel {:?}", self.padding, self.kernel);
                return Err(Error::argument(name, fact));
            }
        }
        Windows::new(name, input, pair(self.kernel, 1), pair(self.stride, 1), pair(self.padding, 0), [1, 1])
    }
}

/// The largest of each window of `x` `[b, c, l]`; padding never wins, the first of equals gets the gradient, NaN wins.
///
/// # Errors
/// When the rank is not 3 or a window does not fit.
pub fn max_pool1d(x: &Tensor, pool: Pool<1>) -> Result<Tensor> {
    max_pool("max_pool1d", x, pool)
}

/// The largest of each window of `x` `[b, c, h, w]`, as [`max_pool1d`].
///
/// # Errors
/// When the rank is not 4 or a window does not fit.
pub fn max_pool2d(x: &Tensor, pool: Pool<2>) -> Result<Tensor> {
    max_pool("max_pool2d", x, pool)
}

fn max_pool<const N: usize>(name: &'static str, x: &Tensor, pool: Pool<N>) -> Result<Tensor> {
    let [batch, channels, height, width] = checked(name, x, N)?;
    let windows = pool.windows(name, [height, width])?;
    let dtype = x.value().dtype();
    let planes = lifted(x.value(), N)?.contiguous()?.reshape((batch * channels, windows.input_plane()))?;
    let planes = widen(&planes)?;
    let (largest, winners) =
        if planes.device().is_cpu() { largest(&planes, &windows)? } else { composed::largest(&planes, &windows)? };
    let dims = [batch, channels, windows.output[0], windows.output[1]];
    let output = lowered(&largest.to_dtype(dtype)?.reshape(&dims)?, N)?;
    Ok(Tensor::from_op(name, output, &[x], move |gradient, _| {
        let gradient = widen(&gradient.contiguous()?.reshape((batch * channels, windows.output_plane()))?)?;
        let input = if gradient.device().is_cpu() {
            spread(&gradient, &winners, &windows)?
        } else {
            composed::spread(&gradient, &winners, &windows)?
        };
        let input = input.to_dtype(dtype)?.reshape((batch, channels, windows.input[0], windows.input[1]))?;
        Ok(vec![Some(lowered(&input, N)?)])
    }))
}

/// Largest elements `[planes, windows]` and where in the plane they are (`u32`).
pub(super) fn largest(planes: &Value, windows: &Windows) -> Result<(Value, Value)> {
    by_real!(planes.dtype(), T => {
        let shape = [planes.dim(0)?, windows.output_plane()];
        slice!(elements: T = planes);
        let (largest, winners) = cpu_largest(elements, windows);
        Ok((value_of(largest, &shape)?, value_of(winners, &shape)?))
    })
}

fn cpu_largest<T: Real>(planes: &[T], windows: &Windows) -> (Vec<T>, Vec<u32>) {
    let count = windows.output_plane();
    let total = planes.len() / windows.input_plane() * count;
    let (mut largest, mut winners) = (vec![T::zero(); total], vec![u32::MAX; total]);
    let rows = largest.par_chunks_mut(count).zip(winners.par_chunks_mut(count));
    rows.zip(planes.par_chunks(windows.input_plane())).for_each(|((largest, winners), plane)| {
        windows.for_each_run(|_, output, input, length| {
            for step in 0..length {
                let (at, from) = (output + step, input + step * windows.stride[1]);
                let (value, best) = (plane[from], largest[at]);
                // A NaN differs from itself: it wins against numbers, and nothing wins against it.
                #[allow(clippy::eq_op, reason = "the test for NaN")]
                if winners[at] == u32::MAX || value > best || (value != value && best == best) {
                    largest[at] = value;
                    winners[at] = from as u32;
                }
            }
        });
    });
    (largest, winners)
}

/// Gradients `[planes, windows]` added to the winners: `[planes, input_plane]`.
pub(super) fn spread(gradient: &Value, winners: &Value, windows: &Windows) -> Result<Value> {
    let planes = gradient.dim(0)?;
    let winners = winners.flatten_all()?.to_vec1::<u32>()?;
    by_real!(gradient.dtype(), T => {
        slice!(gradient: T = gradient);
        let mut input: Vec<T> = vec![0.0; planes * windows.input_plane()];
        let count = windows.output_plane();
        let rows = gradient.par_chunks(count).zip(winners.par_chunks(count));
        input.par_chunks_mut(windows.input_plane()).zip(rows).for_each(|(input, (gradient, winners))| {
            winners.iter().zip(gradient).for_each(|(winner, gradient)| input[*winner as usize] += *gradient);
        });
        value_of(input, &[planes, windows.input_plane()])
    })
}

/// The same of plain operations, for devices without kernels of our own. The winners are the taps, not the positions.
pub(super) mod composed {
    use super::{Result, Value, Windows};

    pub(in super::super) fn largest(planes: &Value, windows: &Windows) -> Result<(Value, Value)> {
        let gathered = windows.gathered(planes, f64::NEG_INFINITY)?.transpose(1, 2)?.contiguous()?;
        let winners = gathered.argmax_keepdim(2)?;
        Ok((gathered.gather(&winners, 2)?.squeeze(2)?, winners))
    }

    pub(in super::super) fn spread(gradient: &Value, winners: &Value, windows: &Windows) -> Result<Value> {
        let (planes, count) = gradient.dims2()?;
        let zeros = Value::zeros((planes, count, windows.taps()), gradient.dtype(), gradient.device())?;
        let taps = zeros.scatter_add(winners, &gradient.unsqueeze(2)?.contiguous()?, 2)?;
        windows.scattered(&taps.transpose(1, 2)?.contiguous()?)
    }
}

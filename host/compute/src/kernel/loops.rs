//! The loops that several kernels share, each compiled per instruction set.

use super::{Real, vectorised};

const LANES: usize = 16;

/// The sum of `f(x[i])` in sixteen lanes, added in pairs.
#[inline(always)]
pub(crate) fn lane_sum<A: Copy, T: Real>(x: &[A], f: impl Fn(A) -> T) -> T {
    let (parts, tail) = x.as_chunks::<LANES>();
    let mut lanes = [T::zero(); LANES];
    for part in parts {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *lane += f(*x);
        }
    }
    let mut rest = T::zero();
    for x in tail {
        rest += f(*x);
    }
    folded(lanes) + rest
}

/// The sum of `f(x[i], y[i])` in the same way.
#[inline(always)]
pub(crate) fn lane_sum_2<A: Copy, T: Real>(x: &[A], y: &[A], f: impl Fn(A, A) -> T) -> T {
    let ((x_parts, x_tail), (y_parts, y_tail)) = (x.as_chunks::<LANES>(), y[..x.len()].as_chunks::<LANES>());
    let mut lanes = [T::zero(); LANES];
    for (x, y) in x_parts.iter().zip(y_parts) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += f(*x, *y);
        }
    }
    let mut rest = T::zero();
    for (x, y) in x_tail.iter().zip(y_tail) {
        rest += f(*x, *y);
    }
    folded(lanes) + rest
}

#[inline(always)]
fn folded<T: Real>(mut lanes: [T; LANES]) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            let upper = lanes[lane + half];
            lanes[lane] += upper;
        }
        half /= 2;
    }
    lanes[0]
}

vectorised! {
    /// The sum of all.
    fn sum<T>(x: &[T]) -> T {
        lane_sum(x, |x| x)
    }
}

vectorised! {
    /// The sum of products.
    fn dot<T>(x: &[T], y: &[T]) -> T {
        lane_sum_2(x, y, |x, y| x * y)
    }
}

vectorised! {
    /// The sum of squared distances from `center`.
    fn squares<T>(x: &[T], center: T) -> T {
        lane_sum(x, |x| (x - center) * (x - center))
    }
}

vectorised! {
    /// The largest number; minus infinity for none; NaN if one is.
    fn max<T>(x: &[T]) -> T {
        let mut lanes = [T::MINUS_INFINITY; LANES];
        let whole = x.len() / LANES * LANES;
        for part in x[..whole].chunks_exact(LANES) {
            for (lane, x) in lanes.iter_mut().zip(part) {
                *lane = if *lane > *x || lane.is_nan() { *lane } else { *x };
            }
        }
        lanes.iter().chain(&x[whole..]).fold(T::MINUS_INFINITY, |best, x| if best > *x || best.is_nan() { best } else { *x })
    }
}

vectorised! {
    /// `x[i] = exp(x[i] - shift)`, and their sum.
    fn exp_sum<T>(x: &mut [T], shift: T) -> T {
        for x in x.iter_mut() {
            *x = (*x - shift).fast_exp();
        }
        lane_sum(x, |x| x)
    }
}

vectorised! {
    /// The sum of `exp(x[i] - shift)`.
    fn sum_exp<T>(x: &[T], shift: T) -> T {
        // A loop of exponentials alone becomes vector instructions, one that also sums does not.
        let mut total = T::zero();
        let mut block = [T::zero(); 256];
        for part in x.chunks(256) {
            for (e, x) in block.iter_mut().zip(part) {
                *e = (*x - shift).fast_exp();
            }
            total += lane_sum(&block[..part.len()], |e| e);
        }
        total
    }
}

vectorised! {
    /// `sum[i] += x[i]`.
    fn add_into<T: candle_core::WithDType>(sum: &mut [T], x: &[T]) {
        for (sum, x) in sum.iter_mut().zip(x) {
            *sum += *x;
        }
    }
}

vectorised! {
    /// `x[i] *= factor`.
    fn scale<T>(x: &mut [T], factor: T) {
        for x in x.iter_mut() {
            *x *= factor;
        }
    }
}

//! Sums, differences, products and quotients of two values with broadcasting, in parallel.
//!
//! candle's own wait for their threads in a busy loop, which costs more than the sum itself where cores are shared.

use candle_core::WithDType;

use super::{
    broadcast_shape, by_element, by_real, map, on_cpu, over_rows, plain, unfilled, value_of, vectorised, with_slice,
};
use crate::{Result, Value};

/// What is done with two elements.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
}

/// `a + b` of values.
pub(crate) fn sum_of(a: &Value, b: &Value) -> Result<Value> {
    arithmetic(Arithmetic::Add, a, b)
}

/// `-value`.
pub(crate) fn negated(value: &Value) -> Result<Value> {
    if !value.device().is_cpu() || !is_float(value.dtype()) {
        return Ok(value.neg()?);
    }
    on_cpu(&[value], |v| by_real!(v[0].dtype(), T => map::<T>(&v[0], |x| -x)))
}

/// `a` and `b`, of one dtype, together; each is repeated along axes of length 1 and missing leading ones.
pub(crate) fn arithmetic(what: Arithmetic, a: &Value, b: &Value) -> Result<Value> {
    let ours = a.device().is_cpu() && b.device().is_cpu() && a.dtype() == b.dtype() && is_float(a.dtype());
    if !ours {
        return Ok(match what {
            Arithmetic::Add => a.broadcast_add(b),
            Arithmetic::Sub => a.broadcast_sub(b),
            Arithmetic::Mul => a.broadcast_mul(b),
            Arithmetic::Div => a.broadcast_div(b),
        }?);
    }
    let shape = broadcast_shape("arithmetic", a.dims(), b.dims())?;
    by_element!(a.dtype(), T => match what {
        Arithmetic::Add => paired::<T>(a, b, &shape, |x, y| x + y),
        Arithmetic::Sub => paired::<T>(a, b, &shape, |x, y| x - y),
        Arithmetic::Mul => paired::<T>(a, b, &shape, |x, y| x * y),
        Arithmetic::Div => paired::<T>(a, b, &shape, |x, y| x / y),
    })
}

fn is_float(dtype: candle_core::DType) -> bool {
    use candle_core::DType::{BF16, F16, F32, F64};
    matches!(dtype, BF16 | F16 | F32 | F64)
}

fn paired<T: WithDType>(a: &Value, b: &Value, shape: &[usize], f: impl Fn(T, T) -> T + Sync) -> Result<Value> {
    if a.dims() == shape {
        return with_repeated(a, b, shape, f);
    }
    if b.dims() == shape {
        return with_repeated(b, a, shape, |y, x| f(x, y));
    }
    with_repeated(&plain::<T>(&a.broadcast_as(shape)?)?, b, shape, f)
}

/// `f` of a value of this shape and one that is repeated to it.
fn with_repeated<T: WithDType>(
    whole: &Value,
    part: &Value,
    shape: &[usize],
    f: impl Fn(T, T) -> T + Sync,
) -> Result<Value> {
    let wide;
    let (part, after) = match repeats(part.dims(), shape) {
        Some(after) => (part, after),
        None => {
            wide = plain::<T>(&part.broadcast_as(shape)?)?;
            (&wide, 1)
        }
    };
    with_slice::<T, _>(whole, |whole| {
        with_slice::<T, _>(part, |part| {
            let mut out = unfilled(whole.len());
            if part.len() == whole.len() {
                over_rows(&mut out, 1, |first, out| rows(out, &whole[first..], &part[first..first + out.len()], &f));
            } else if part.len() == 1 {
                over_rows(&mut out, 1, |first, out| numbers(out, &whole[first..], part, 0, out.len(), &f));
            } else if after == 1 {
                over_rows(&mut out, part.len(), |first, out| rows(out, &whole[first * part.len()..], part, &f));
            } else {
                over_rows(&mut out, after, |first, out| numbers(out, &whole[first * after..], part, first, after, &f));
            }
            value_of(out, shape)
        })
    })
}

/// How often each element of a value of shape `part` comes in a row when it is repeated to `shape`, where the value as a
/// whole then comes again and again; `None` where it is not that simple.
fn repeats(part: &[usize], shape: &[usize]) -> Option<usize> {
    let first = part.iter().position(|length| *length != 1).unwrap_or(part.len());
    let last = part.iter().rposition(|length| *length != 1).map_or(first, |last| last + 1);
    let offset = shape.len() - part.len();
    let after = shape[offset + last..].iter().product();
    (part[first..last] == shape[offset + first..offset + last]).then_some(after)
}

vectorised! {
    /// Each row of `whole` with `part`.
    fn rows<T: WithDType>(out: &mut [T], whole: &[T], part: &[T], f: impl Fn(T, T) -> T) {
        for (out, whole) in out.chunks_mut(part.len()).zip(whole.chunks(part.len())) {
            for ((out, x), y) in out.iter_mut().zip(whole).zip(part) {
                *out = f(*x, *y);
            }
        }
    }
}

vectorised! {
    /// Each row of `width` elements of `whole` with one number of `part`; the rows begin with number `first`.
    fn numbers<T: WithDType>(out: &mut [T], whole: &[T], part: &[T], first: usize, width: usize, f: impl Fn(T, T) -> T) {
        for (row, (out, whole)) in out.chunks_mut(width).zip(whole.chunks(width)).enumerate() {
            let y = part[(first + row) % part.len()];
            for (out, x) in out.iter_mut().zip(whole) {
                *out = f(*x, y);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::testing::{numbers, random};

    #[test]
    fn every_way_to_broadcast_gives_what_candle_gives() {
        let shapes: [(&[usize], &[usize]); 14] = [
            (&[3, 5], &[3, 5]),
            (&[3, 5], &[5]),
            (&[3, 5], &[3, 1]),
            (&[3, 5], &[]),
            (&[2, 3, 5], &[1, 3, 1]),
            (&[2, 3, 5], &[2, 1, 5]),
            (&[3, 1], &[1, 5]),
            (&[1], &[4, 2]),
            (&[0, 5], &[5]),
            (&[3, 0], &[3, 1]),
            (&[200, 300], &[300]),
            (&[200, 300], &[200, 1]),
            (&[200, 300], &[200, 300]),
            (&[200, 300], &[]),
        ];
        for (a, b) in shapes {
            for dtype in [candle_core::DType::F64, candle_core::DType::F32, candle_core::DType::BF16] {
                let (a, b) = (random(a, 1).to_dtype(dtype).unwrap(), random(b, 2).to_dtype(dtype).unwrap());
                for (a, b) in [(&a, &b), (&b, &a)] {
                    let pairs = [
                        (Arithmetic::Add, a.broadcast_add(b)),
                        (Arithmetic::Sub, a.broadcast_sub(b)),
                        (Arithmetic::Mul, a.broadcast_mul(b)),
                        (Arithmetic::Div, a.broadcast_div(b)),
                    ];
                    for (what, expected) in pairs {
                        let (found, expected) = (arithmetic(what, a, b).unwrap(), expected.unwrap());
                        assert_eq!(found.dims(), expected.dims());
                        assert_eq!(numbers(&found), numbers(&expected), "{what:?} {:?} {:?}", a.dims(), b.dims());
                    }
                }
            }
        }
        let transposed = random(&[5, 3], 1).t().unwrap();
        let expected = numbers(&(&transposed + random(&[3, 5], 2)).unwrap());
        assert_eq!(numbers(&sum_of(&transposed, &random(&[3, 5], 2)).unwrap()), expected);
    }
}

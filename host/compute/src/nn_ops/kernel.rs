//! What the CPU kernels share: slices of values, vector loops, sums of fixed shape, matrix products.

use candle_core::{Storage, WithDType};
use gemm::Parallelism;
use rayon::prelude::*;

pub(crate) use super::real::Real;
use crate::{DType, Error, Result, Tensor, Value};

/// Elements that one task of a parallel loop handles at least; a constant, so that sums over chunks keep their shape.
const CHUNK: usize = 16_384;

/// Runs `body` with the type `T` that values of `dtype` are computed in.
macro_rules! by_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            _ => {
                type $T = f32;
                $body
            }
        }
    };
}

/// Binds a name to the contiguous elements of a value on the CPU, converted to a type where needed.
macro_rules! slice {
    ($name:ident: $T:ty = $value:expr) => {
        let held = $crate::nn_ops::kernel::plain::<$T>($value)?;
        let (storage, layout) = held.storage_and_layout();
        let $name: &[$T] = $crate::nn_ops::kernel::elements(&storage, layout)?;
    };
}

/// As `slice!`, for a value that may be absent.
macro_rules! optional_slice {
    ($name:ident: $T:ty = $value:expr) => {
        let held = $value.map(|value| $crate::nn_ops::kernel::plain::<$T>(value)).transpose()?;
        let parts = held.as_ref().map(|held| held.storage_and_layout());
        let $name: Option<&[$T]> =
            parts.as_ref().map(|(storage, layout)| $crate::nn_ops::kernel::elements(storage, layout)).transpose()?;
    };
}

/// Defines a loop that is compiled three times: plain, for AVX2 and for AVX-512; the machine decides at run time. No
/// fused multiply-add and no reordering, so all three give the same bits.
macro_rules! vectorised {
    ($(#[$meta:meta])* fn $name:ident<$T:ident>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "kernels take slices and constants")]
        pub(crate) fn $name<$T: $crate::nn_ops::kernel::Real>($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body<$T: $crate::nn_ops::kernel::Real>($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2<$T: $crate::nn_ops::kernel::Real>($($arg: $ty),*) $(-> $ret)? {
                    body::<$T>($($arg),*)
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512<$T: $crate::nn_ops::kernel::Real>($($arg: $ty),*) $(-> $ret)? {
                    body::<$T>($($arg),*)
                }
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl") {
                    // SAFETY: the features were found on this machine in the line above.
                    return unsafe { avx512::<$T>($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the feature was found on this machine in the line above.
                    return unsafe { avx2::<$T>($($arg),*) };
                }
            }
            body::<$T>($($arg),*)
        }
    };
}

pub(crate) use {by_dtype, optional_slice, slice, vectorised};

/// `value` as contiguous elements of type `T`.
pub(crate) fn plain<T: WithDType>(value: &Value) -> Result<Value> {
    Ok(value.to_dtype(T::DTYPE)?.contiguous()?)
}

/// The elements of a contiguous value on the CPU.
pub(crate) fn elements<'a, T: WithDType>(storage: &'a Storage, layout: &candle_core::Layout) -> Result<&'a [T]> {
    let Storage::Cpu(cpu) = storage else {
        return Err(Error::argument("kernel", "a value of another device reached a kernel of the CPU"));
    };
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| Error::argument("kernel", "a value that is not contiguous reached a kernel"))?;
    Ok(&cpu.as_slice::<T>()?[start..end])
}

/// A value from elements of the computing type, converted to `dtype`.
pub(crate) fn value<T: Real>(data: Vec<T>, shape: &[usize], dtype: candle_core::DType) -> Result<Value> {
    Ok(Value::from_vec(data, shape, &crate::Device::Cpu)?.to_dtype(dtype)?)
}

/// The last axis of `x`, and how many rows the others make.
pub(crate) fn rows_width(operation: &'static str, x: &Tensor) -> Result<(usize, usize)> {
    crate::tape::require_float(operation, x)?;
    match x.dims().split_last() {
        Some((width, rest)) => Ok((rest.iter().product(), *width)),
        None => Err(Error::shape(operation, "the input is a single number and has no last axis")
            .with_help("give it an axis of length 1")),
    }
}

/// An error unless `tensor` has shape `[width]`.
pub(crate) fn require_width(
    operation: &'static str,
    what: &str,
    tensor: Option<&Tensor>,
    width: usize,
    x: &Tensor,
) -> Result<()> {
    match tensor {
        Some(tensor) if tensor.dims() != [width] => Err(Error::shape(
            operation,
            format!("{what} has shape {:?}, but the input {:?} needs [{width}]", tensor.dims(), x.dims()),
        )
        .with_help(format!("{what} holds one number for each of the {width} features of the last axis"))),
        Some(tensor) => crate::tape::require_float(operation, tensor).map(|_| ()),
        None => Ok(()),
    }
}

/// Ids from a u32, i64 or u8 tensor.
pub(crate) fn ids(operation: &'static str, tensor: &Tensor) -> Result<Vec<i64>> {
    if !matches!(tensor.dtype(), DType::U32 | DType::I64 | DType::U8) {
        return Err(Error::dtype(operation, tensor.dtype()).with_help("ids are u32 or i64"));
    }
    Ok(tensor.value().to_dtype(candle_core::DType::I64)?.flatten_all()?.to_vec1::<i64>()?)
}

/// Rows of `width` elements that one task of a parallel loop takes.
pub(crate) fn rows_per_task(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}

/// Runs `work(first row, chunk)` over chunks of whole rows of `out`, in parallel.
pub(crate) fn over_rows<T: Send>(out: &mut [T], width: usize, work: impl Fn(usize, &mut [T]) + Send + Sync) {
    if out.is_empty() {
        return;
    }
    let rows = rows_per_task(width);
    if out.len() <= rows * width {
        return work(0, out);
    }
    out.par_chunks_mut(rows * width).enumerate().for_each(|(chunk, out)| work(chunk * rows, out));
}

/// As [`over_rows`] with two outputs of their own widths and the same rows.
pub(crate) fn over_rows_2<T: Send, U: Send>(
    a: &mut [T],
    a_width: usize,
    b: &mut [U],
    b_width: usize,
    work: impl Fn(usize, &mut [T], &mut [U]) + Send + Sync,
) {
    if a.is_empty() || b.is_empty() {
        return;
    }
    let rows = rows_per_task(a_width.max(b_width));
    a.par_chunks_mut(rows * a_width)
        .zip(b.par_chunks_mut(rows * b_width))
        .enumerate()
        .for_each(|(chunk, (a, b))| work(chunk * rows, a, b));
}

/// Sums over rows, `width` numbers for each of `parts` sums: fixed chunks of rows by `work(rows, sums)`, added in order.
pub(crate) fn sum_over_rows<T: Real>(
    rows: usize,
    width: usize,
    parts: usize,
    work: impl Fn(std::ops::Range<usize>, &mut [T]) + Send + Sync,
) -> Vec<T> {
    let step = rows_per_task(width);
    let sums: Vec<Vec<T>> = (0..rows.div_ceil(step))
        .into_par_iter()
        .map(|chunk| {
            let mut sums = vec![T::zero(); width * parts];
            work(chunk * step..rows.min((chunk + 1) * step), &mut sums);
            sums
        })
        .collect();
    let mut total = vec![T::zero(); width * parts];
    for part in sums {
        add_into(&mut total, &part);
    }
    total
}

const LANES: usize = 16;

#[inline(always)]
pub(crate) fn lane_sum<T: Real>(count: usize, at: impl Fn(usize) -> T) -> T {
    let mut lanes = [T::zero(); LANES];
    let whole = count / LANES * LANES;
    let mut start = 0;
    while start < whole {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += at(start + lane);
        }
        start += LANES;
    }
    let mut rest = T::zero();
    for index in whole..count {
        rest += at(index);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            let upper = lanes[lane + half];
            lanes[lane] += upper;
        }
        half /= 2;
    }
    lanes[0] + rest
}

vectorised! {
    /// The sum of all.
    fn sum<T>(x: &[T]) -> T {
        lane_sum(x.len(), |i| x[i])
    }
}

vectorised! {
    /// The sum of products.
    fn dot<T>(x: &[T], y: &[T]) -> T {
        let y = &y[..x.len()];
        lane_sum(x.len(), |i| x[i] * y[i])
    }
}

vectorised! {
    /// The sum of squared distances from `center`.
    fn squares<T>(x: &[T], center: T) -> T {
        lane_sum(x.len(), |i| (x[i] - center) * (x[i] - center))
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
            *x = (*x - shift).exp();
        }
        lane_sum(x.len(), |i| x[i])
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
                *e = (*x - shift).exp();
            }
            total += lane_sum(part.len(), |i| block[i]);
        }
        total
    }
}

vectorised! {
    /// `sum[i] += x[i]`.
    fn add_into<T>(sum: &mut [T], x: &[T]) {
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

/// A matrix over a slice: element (i, j) at `i * strides.0 + j * strides.1`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    strides: (usize, usize),
}

impl<'a, T> Matrix<'a, T> {
    /// Rows of `columns` elements, `stride` apart.
    pub(crate) fn new(data: &'a [T], rows: usize, columns: usize, stride: usize) -> Self {
        Self::with_strides(data, rows, columns, (stride, 1))
    }

    pub(crate) fn with_strides(data: &'a [T], rows: usize, columns: usize, strides: (usize, usize)) -> Self {
        let needed = if rows == 0 || columns == 0 { 0 } else { (rows - 1) * strides.0 + (columns - 1) * strides.1 + 1 };
        assert!(needed <= data.len(), "a matrix of {rows} x {columns} does not fit {} elements", data.len());
        Self { data, rows, columns, strides }
    }

    pub(crate) fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, strides: (self.strides.1, self.strides.0), ..self }
    }
}

/// `out = keep * out + factor * a * b` with rows of `out` being `stride` apart; all cores where `parallel`.
pub(crate) fn product<T: Real>(
    out: &mut [T],
    stride: usize,
    keep: bool,
    factor: T,
    a: Matrix<T>,
    b: Matrix<T>,
    parallel: bool,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "inner lengths of a product");
    if m == 0 || n == 0 {
        return;
    }
    assert!((m - 1) * stride + n <= out.len() && stride >= n, "a product of {m} x {n} does not fit");
    if k == 0 {
        if !keep {
            out.chunks_mut(stride).take(m).for_each(|row| row[..n].fill(T::zero()));
        }
        return;
    }
    let threads = if parallel { rayon::current_num_threads() } else { 1 };
    let parallelism = if threads > 1 { Parallelism::Rayon(threads) } else { Parallelism::None };
    let alpha = if keep { T::one() } else { T::zero() };
    // SAFETY: `Matrix::with_strides` and the assertion above hold every element of the three matrices inside its slice, and
    // `out` is borrowed alone.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            stride as isize,
            keep,
            a.data.as_ptr(),
            a.strides.1 as isize,
            a.strides.0 as isize,
            b.data.as_ptr(),
            b.strides.1 as isize,
            b.strides.0 as isize,
            alpha,
            factor,
            false,
            false,
            false,
            parallelism,
        );
    }
}

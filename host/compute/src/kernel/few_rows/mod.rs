//! The product of a few rows with a weight: what a step of generation is made of.
//!
//! With so few rows each number of the weight is used once or a few times, so the time goes into reading it. It is read in
//! its own type, once, in order, by all cores; in half precision that takes half the time. A row's result does not depend
//! on its neighbours.

#[cfg(target_arch = "x86_64")]
mod read;
#[cfg(target_arch = "x86_64")]
mod vector;

use super::Real;
use crate::{Result, Value};

/// A type that products of few rows are computed in.
pub(crate) trait FewRows: Real {
    /// `x weightᵀ` `[rows, outputs]` of `x` with rows of `width` and `weight` `[outputs, width]` in its own type; `None` where
    /// there are too many rows for this, the weight lies or is stored otherwise, or the processor has no wide vectors.
    ///
    /// # Errors
    /// When the weight lives on another device.
    fn few_rows(x: &[Self], width: usize, weight: &Value) -> Result<Option<Vec<Self>>>;
}

impl FewRows for f32 {
    #[cfg(target_arch = "x86_64")]
    fn few_rows(x: &[Self], width: usize, weight: &Value) -> Result<Option<Vec<Self>>> {
        use candle_core::DType;
        use half::{bf16, f16};

        use super::elements;

        let rows = x.len().checked_div(width).unwrap_or(0);
        if !(1..=read::MOST_ROWS).contains(&rows) || !weight.is_contiguous() {
            return Ok(None);
        }
        let Some(vectors) = read::Vectors::found() else { return Ok(None) };
        let (outputs, (storage, layout)) = (weight.dims()[0], weight.storage_and_layout());
        Ok(match weight.dtype() {
            DType::F32 => Some(read::product::<f32>(vectors, x, width, elements(&storage, layout)?, outputs)),
            DType::BF16 => Some(read::product::<bf16>(vectors, x, width, elements(&storage, layout)?, outputs)),
            DType::F16 => Some(read::product::<f16>(vectors, x, width, elements(&storage, layout)?, outputs)),
            _ => None,
        })
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn few_rows(_: &[Self], _: usize, _: &Value) -> Result<Option<Vec<Self>>> {
        Ok(None)
    }
}

impl FewRows for f64 {
    fn few_rows(_: &[Self], _: usize, _: &Value) -> Result<Option<Vec<Self>>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::Device;

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let key = philox::Key::root(seed);
        (0..count).map(|index| key.normal(index as u64) as f32).collect()
    }

    fn product(x: &[f32], width: usize, weight: &Value) -> Vec<f32> {
        f32::few_rows(x, width, weight).unwrap().unwrap_or_else(|| plain(x, width, weight))
    }

    /// The sums in f64.
    fn plain(x: &[f32], width: usize, weight: &Value) -> Vec<f32> {
        let weight = weight.flatten_all().unwrap().to_dtype(candle_core::DType::F32).unwrap().to_vec1::<f32>().unwrap();
        let dot = |x: &[f32], w: &[f32]| x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>();
        x.chunks(width).flat_map(|x| weight.chunks(width).map(|w| dot(x, w) as f32).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn any_shape_and_storage_agrees_with_the_plain_sum() {
        use candle_core::DType::{BF16, F16, F32};
        for (rows, width, outputs) in
            [(1, 384, 7), (3, 37, 2030), (8, 16, 5), (16, 100, 700), (2, 5, 3), (7, 70_000, 3)]
        {
            let x = numbers(rows * width, 1);
            let weight = Value::from_vec(numbers(outputs * width, 2), (outputs, width), &Device::Cpu).unwrap();
            for dtype in [F32, BF16, F16] {
                let weight = weight.to_dtype(dtype).unwrap();
                let limit = 1e-5 * (width as f32).sqrt();
                for (found, expected) in product(&x, width, &weight).iter().zip(plain(&x, width, &weight)) {
                    assert!((found - expected).abs() < limit, "{dtype:?} {rows} x {width} x {outputs}");
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_neighbours() {
        let x = numbers(11 * 200, 3);
        let weight = Value::from_vec(numbers(50 * 200, 4), (50, 200), &Device::Cpu).unwrap();
        let together = product(&x, 200, &weight);
        for (row, x) in x.chunks(200).enumerate() {
            assert_eq!(product(x, 200, &weight), together[row * 50..(row + 1) * 50], "row {row}");
        }
    }

    #[test]
    fn a_weight_that_lies_otherwise_is_left_to_the_general_product() {
        let weight = Value::from_vec(numbers(12, 5), (3, 4), &Device::Cpu).unwrap();
        assert!(f32::few_rows(&[1.0; 3], 3, &weight.t().unwrap()).unwrap().is_none());
        assert!(f32::few_rows(&[1.0; 400], 4, &weight).unwrap().is_none());
        assert!(f32::few_rows(&[], 4, &weight).unwrap().is_none());
    }
}

//! Initial weights: functions of (key, element number), drawn in f64 and rounded to the dtype.
//!
//! Give the key as `Key::root(seed).stream(weight name)`; then a weight starts the same whatever else the model holds.

use philox::Key;

use super::Rows;
use crate::{DType, Device, Error, Result, Value};

/// All elements the same.
///
/// # Errors
/// When the device fails.
pub fn constant(shape: &[usize], number: f64, dtype: DType, device: &Device) -> Result<Value> {
    Ok(Value::full(number, shape, device)?.to_dtype(dtype.candle())?)
}

/// Normal with mean 0 and this standard deviation.
///
/// # Errors
/// When the device fails.
pub fn normal(key: Key, shape: &[usize], std: f64, dtype: DType, device: &Device) -> Result<Value> {
    made(Rows::new("normal", key, shape, None)?.normal_f64(), |z| z * std, shape, dtype, device)
}

/// Normal with this standard deviation, cut at two of them (by the inverse distribution function, so one draw each).
///
/// `std` is that of the normal before the cut; the weights' own is 0.88 of it.
///
/// # Errors
/// When the device fails.
pub fn truncated_normal(key: Key, shape: &[usize], std: f64, dtype: DType, device: &Device) -> Result<Value> {
    // erf(2 / √2): the share of a normal inside two deviations.
    const INSIDE: f64 = 0.954_499_736_103_641_6;
    let cut = |u: f64| {
        let z = std::f64::consts::SQRT_2 * candle_core::cpu::erf::erf_inv((2.0 * u - 1.0) * INSIDE);
        z.clamp(-2.0, 2.0) * std
    };
    made(Rows::new("truncated_normal", key, shape, None)?.uniform_f64(), cut, shape, dtype, device)
}

/// Uniform between `-bound` and `bound`.
///
/// # Errors
/// When the device fails.
pub fn uniform(key: Key, shape: &[usize], bound: f64, dtype: DType, device: &Device) -> Result<Value> {
    made(Rows::new("uniform", key, shape, None)?.uniform_f64(), |u| (2.0 * u - 1.0) * bound, shape, dtype, device)
}

/// Uniform with variance `2 / (fan_in + fan_out)` (Glorot & Bengio 2010, AISTATS, equation 16).
///
/// # Errors
/// When the shape has fewer than two axes.
pub fn xavier_uniform(key: Key, shape: &[usize], dtype: DType, device: &Device) -> Result<Value> {
    let (fan_in, fan_out) = fans("xavier_uniform", shape)?;
    uniform(key, shape, (6.0 / (fan_in + fan_out)).sqrt(), dtype, device)
}

/// Normal with variance `2 / (fan_in + fan_out)` (the same).
///
/// # Errors
/// When the shape has fewer than two axes.
pub fn xavier_normal(key: Key, shape: &[usize], dtype: DType, device: &Device) -> Result<Value> {
    let (fan_in, fan_out) = fans("xavier_normal", shape)?;
    normal(key, shape, (2.0 / (fan_in + fan_out)).sqrt(), dtype, device)
}

/// Uniform with variance `2 / fan_in`, for layers before a ReLU (He et al. 2015, arXiv:1502.01852, section 2.2).
///
/// # Errors
/// When the shape has fewer than two axes.
pub fn kaiming_uniform(key: Key, shape: &[usize], dtype: DType, device: &Device) -> Result<Value> {
    uniform(key, shape, (6.0 / fans("kaiming_uniform", shape)?.0).sqrt(), dtype, device)
}

/// Normal with variance `2 / fan_in` (the same).
///
/// # Errors
/// When the shape has fewer than two axes.
pub fn kaiming_normal(key: Key, shape: &[usize], dtype: DType, device: &Device) -> Result<Value> {
    normal(key, shape, (2.0 / fans("kaiming_normal", shape)?.0).sqrt(), dtype, device)
}

/// Inputs and outputs of a weight `[out, in, kernel ..]`.
fn fans(name: &'static str, shape: &[usize]) -> Result<(f64, f64)> {
    let [outputs, inputs, kernel @ ..] = shape else {
        return Err(Error::shape(name, format!("{shape:?} has no inputs and outputs"))
            .with_help("it wants [outputs, inputs, kernel ..]"));
    };
    let field: usize = kernel.iter().product();
    Ok(((inputs * field).max(1) as f64, (outputs * field).max(1) as f64))
}

fn made(draws: Vec<f64>, from: impl Fn(f64) -> f64, shape: &[usize], dtype: DType, device: &Device) -> Result<Value> {
    let numbers: Vec<f64> = draws.into_iter().map(from).collect();
    Ok(Value::from_vec(numbers, shape, &Device::Cpu)?.to_dtype(dtype.candle())?.to_device(device)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::testing::numbers;

    const CPU: Device = Device::Cpu;

    fn deviation(value: &Value) -> f64 {
        let all = numbers(value);
        (all.iter().map(|x| x * x).sum::<f64>() / all.len() as f64).sqrt()
    }

    #[test]
    fn deviations_are_those_asked_for() {
        let key = Key::root(1).stream("layers.0.weight");
        let shape = [300, 200];
        let near = |value: Value, expected: f64| {
            assert!((deviation(&value) / expected - 1.0).abs() < 0.02, "{}", deviation(&value))
        };
        near(normal(key, &shape, 0.02, DType::F32, &CPU).unwrap(), 0.02);
        near(truncated_normal(key, &shape, 0.02, DType::F32, &CPU).unwrap(), 0.02 * 0.8796);
        near(uniform(key, &shape, 0.3, DType::F32, &CPU).unwrap(), 0.3 / 3.0_f64.sqrt());
        near(xavier_uniform(key, &shape, DType::F32, &CPU).unwrap(), (2.0_f64 / 500.0).sqrt());
        near(xavier_normal(key, &shape, DType::F32, &CPU).unwrap(), (2.0_f64 / 500.0).sqrt());
        near(kaiming_uniform(key, &shape, DType::F32, &CPU).unwrap(), (2.0_f64 / 200.0).sqrt());
        near(kaiming_normal(key, &[30, 20, 10, 10], DType::F32, &CPU).unwrap(), (2.0_f64 / 2000.0).sqrt());
        let cut = numbers(&truncated_normal(key, &shape, 1.0, DType::F64, &CPU).unwrap());
        assert!(cut.iter().all(|x| x.abs() <= 2.0) && cut.iter().any(|x| x.abs() > 1.9));
        assert!(xavier_normal(key, &[3], DType::F32, &CPU).is_err());
    }

    #[test]
    fn f32_weights_are_the_f64_ones_rounded() {
        let key = Key::root(2).stream("w");
        let (narrow, wide) =
            (normal(key, &[50], 1.0, DType::F32, &CPU).unwrap(), normal(key, &[50], 1.0, DType::F64, &CPU).unwrap());
        for (narrow, wide) in numbers(&narrow).iter().zip(numbers(&wide)) {
            assert_eq!(*narrow, f64::from(wide as f32));
        }
    }
}

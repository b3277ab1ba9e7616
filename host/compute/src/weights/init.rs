//! Initial values, drawn from the seed and the weight's name: the same for any order of creation.

use philox::Key;

use crate::kernel::value_as;
use crate::random::Rows;
use crate::{DType, Device, Error, Result, Value};

/// How a weight begins.
///
/// Fan-in is the second axis times the axes after it, fan-out the first times the axes after the second, as for
/// `[out, in, kernel...]`; a vector has both equal to its length.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// All this.
    Constant(f64),
    /// Normal with this standard deviation.
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// Normal with this standard deviation, cut at two of them (by the inverse distribution function, so one draw each).
    TruncatedNormal {
        /// Standard deviation before cutting; that of the weights is 0.88 of it.
        std: f64,
    },
    /// Uniform in (−bound, bound).
    Uniform {
        /// Half of the width.
        bound: f64,
    },
    /// Uniform with variance 2 / (fan-in + fan-out) (Glorot & Bengio 2010).
    XavierUniform,
    /// Normal with variance 2 / (fan-in + fan-out).
    XavierNormal,
    /// Uniform with variance 2 / fan-in, for ReLU (He et al. 2015, arXiv:1502.01852).
    KaimingUniform,
    /// Normal with variance 2 / fan-in (the same).
    KaimingNormal,
    /// Ones on the diagonal of a matrix.
    Identity,
    /// These numbers in row-major order.
    Values(Vec<f64>),
}

impl Init {
    /// The initial value.
    ///
    /// # Errors
    /// When the shape does not suit: `Identity` of other than a matrix, another number of `Values`.
    pub(super) fn value(&self, name: &str, shape: &[usize], seed: u64, dtype: DType, device: &Device) -> Result<Value> {
        let numbers = self.numbers(name, shape, Key::root(seed).stream("init").stream(name))?;
        Ok(value_as(numbers, shape, dtype.candle())?.to_device(device)?)
    }

    fn numbers(&self, name: &str, shape: &[usize], key: Key) -> Result<Vec<f64>> {
        let count = shape.iter().product();
        let (fan_in, fan_out) = fans(shape);
        let rows = || Rows::new("init", key, shape, None);
        let normal = |std: f64| Ok(rows()?.normal_f64().into_iter().map(|z| std * z).collect());
        let uniform = |bound: f64| Ok(rows()?.uniform_f64().into_iter().map(|u| bound * (2.0 * u - 1.0)).collect());
        match self {
            Self::Zeros => Ok(vec![0.0; count]),
            Self::Ones => Ok(vec![1.0; count]),
            Self::Constant(number) => Ok(vec![*number; count]),
            Self::Normal { std } => normal(*std),
            Self::TruncatedNormal { std } => {
                Ok(rows()?.uniform_f64().into_iter().map(|u| std * truncated(u)).collect())
            }
            Self::Uniform { bound } => uniform(*bound),
            Self::XavierUniform => uniform((6.0 / (fan_in + fan_out)).sqrt()),
            Self::XavierNormal => normal((2.0 / (fan_in + fan_out)).sqrt()),
            Self::KaimingUniform => uniform((6.0 / fan_in).sqrt()),
            Self::KaimingNormal => normal((2.0 / fan_in).sqrt()),
            Self::Identity => {
                let [rows, columns] = shape else {
                    let fact = format!("`{name}` of shape {shape:?} is no matrix, so it can't begin as the identity");
                    return Err(Error::shape("init", fact));
                };
                let mut numbers = vec![0.0; count];
                (0..*rows.min(columns)).for_each(|index| numbers[index * columns + index] = 1.0);
                Ok(numbers)
            }
            Self::Values(numbers) if numbers.len() == count => Ok(numbers.clone()),
            Self::Values(numbers) => {
                let fact = format!("{} initial values for `{name}` of shape {shape:?}", numbers.len());
                Err(Error::shape("init", fact))
            }
        }
    }
}

/// The standard normal number within two deviations whose distribution function, given that it is, is `u`.
fn truncated(u: f64) -> f64 {
    // erf(2 / √2): the share of a normal inside two deviations.
    const INSIDE: f64 = 0.954_499_736_103_641_6;
    let number = std::f64::consts::SQRT_2 * candle_core::cpu::erf::erf_inv((2.0 * u - 1.0) * INSIDE);
    number.clamp(-2.0, 2.0)
}

fn fans(shape: &[usize]) -> (f64, f64) {
    match shape {
        [] => (1.0, 1.0),
        [length] => (*length as f64, *length as f64),
        [out, inner, kernel @ ..] => {
            let kernel = kernel.iter().product::<usize>() as f64;
            (*inner as f64 * kernel, *out as f64 * kernel)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn drawn(init: Init, name: &str, shape: &[usize], seed: u64) -> Vec<f64> {
        let value = init.value(name, shape, seed, DType::F64, &Device::Cpu).unwrap();
        value.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn deviation(numbers: &[f64]) -> f64 {
        (numbers.iter().map(|x| x * x).sum::<f64>() / numbers.len() as f64).sqrt()
    }

    #[test]
    fn each_has_its_spread_and_its_limits() {
        let shape = [64, 256];
        assert!((deviation(&drawn(Init::Normal { std: 0.02 }, "a", &shape, 0)) - 0.02).abs() < 5e-4);
        let cut = drawn(Init::TruncatedNormal { std: 0.5 }, "a", &shape, 0);
        // The standard deviation of a normal cut at two is 0.8796 of it.
        assert!(cut.iter().all(|x| x.abs() <= 1.0) && (deviation(&cut) - 0.4398).abs() < 0.01);
        let xavier = (2.0_f64 / 320.0).sqrt();
        assert!((deviation(&drawn(Init::XavierUniform, "a", &shape, 0)) / xavier - 1.0).abs() < 0.03);
        assert!((deviation(&drawn(Init::XavierNormal, "a", &shape, 0)) / xavier - 1.0).abs() < 0.03);
        assert!(
            (deviation(&drawn(Init::KaimingUniform, "a", &shape, 0)) / (2.0_f64 / 256.0).sqrt() - 1.0).abs() < 0.03
        );
        let field = drawn(Init::KaimingNormal, "a", &[30, 20, 10, 10], 0);
        assert!((deviation(&field) / (2.0_f64 / 2000.0).sqrt() - 1.0).abs() < 0.02);
        assert!(cut.iter().any(|x| x.abs() > 0.95));
        assert!(
            (deviation(&drawn(Init::Uniform { bound: 0.3 }, "a", &shape, 0)) * 3.0_f64.sqrt() / 0.3 - 1.0).abs() < 0.02
        );
        assert!(drawn(Init::Uniform { bound: 3.0 }, "a", &shape, 0).iter().all(|x| x.abs() < 3.0));
        assert_eq!(drawn(Init::Identity, "a", &[2, 3], 0), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(drawn(Init::Constant(4.0), "a", &[2], 0), [4.0, 4.0]);
        assert_eq!(drawn(Init::Values(vec![1.0, 2.0]), "a", &[2], 0), [1.0, 2.0]);
    }

    #[test]
    fn values_follow_from_seed_and_name() {
        let init = || Init::Normal { std: 1.0 };
        assert_eq!(drawn(init(), "a", &[8], 0), drawn(init(), "a", &[8], 0));
        assert_ne!(drawn(init(), "a", &[8], 0), drawn(init(), "b", &[8], 0));
        assert_ne!(drawn(init(), "a", &[8], 0), drawn(init(), "a", &[8], 1));
        let single = init().value("a", &[8], 0, DType::F32, &Device::Cpu).unwrap().to_vec1::<f32>().unwrap();
        assert!(single.iter().zip(drawn(init(), "a", &[8], 0)).all(|(a, b)| *a == b as f32));
    }

    #[test]
    fn faults_name_the_weight_and_the_shape() {
        let error = Init::Identity.value("w", &[2], 0, DType::F32, &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("`w`") && error.contains("[2]"), "{error}");
        let error = Init::Values(vec![1.0]).value("w", &[2], 0, DType::F32, &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("1 initial values"), "{error}");
    }
}

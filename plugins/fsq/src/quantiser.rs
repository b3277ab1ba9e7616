//! Rounding to levels: bounded numbers, their codes, and back.

use plugin_api::prelude::*;

/// How much narrower than its levels a number is bounded.
const EPSILON: f64 = 1e-3;
/// The most codes there may be.
const MOST_CODES: usize = 1 << 24;

/// Levels of each number of a patch: Mentzer et al. 2023, arXiv:2309.15505, section 3.1 and its appendix A.1.
pub struct Quantiser {
    levels: Vec<usize>,
}

impl Quantiser {
    /// Of levels L₁, L₂, …
    ///
    /// # Errors
    /// When there are none, or too many codes.
    pub fn new(levels: Vec<usize>) -> Result<Self> {
        let codes = levels.iter().try_fold(1_usize, |codes, level| codes.checked_mul(*level));
        if levels.is_empty() || codes.is_none_or(|codes| codes > MOST_CODES) {
            let fact = format!("are {levels:?}, which make no number of codes from 2 to {MOST_CODES}");
            return Err(Error::setting("levels", fact).help("the paper takes [8, 6, 5] for 240 codes"));
        }
        Ok(Self { levels })
    }

    /// Numbers of a patch.
    #[must_use]
    pub fn latents(&self) -> usize {
        self.levels.len()
    }

    /// Π Lᵢ.
    #[must_use]
    pub fn codes(&self) -> usize {
        self.levels.iter().product()
    }

    /// A number for each level as a tensor `[n]` of a type.
    fn each(&self, of: impl Fn(usize) -> f64, dtype: DType) -> Tensor {
        let numbers: Vec<f64> = self.levels.iter().map(|level| of(*level)).collect();
        Tensor::new(&numbers, &[numbers.len()]).cast(dtype)
    }

    /// Π of the levels before each, what a step of it counts in the code.
    fn strides(&self) -> Vec<f64> {
        let before = self.levels.iter().scan(1, |stride, level| {
            let own = *stride;
            *stride *= level;
            Some(own as f64)
        });
        before.collect()
    }

    /// Of `[m, n]` the values q / ⌊L/2⌋, with the gradient of what is rounded, and the codes `[m]`, i64.
    ///
    /// # Errors
    /// When the tensor is poisoned.
    pub fn apply(&self, latents_mn: &Tensor) -> Result<(Tensor, Tensor)> {
        let dtype = latents_mn.dtype()?;
        let half = |level: usize| (level - 1) as f64 * (1.0 - EPSILON) / 2.0;
        let offset = |level: usize| if level.is_multiple_of(2) { 0.5 } else { 0.0 };
        let shift_n = self.each(|level| (offset(level) / half(level)).tan(), dtype);
        let bounded_mn = (latents_mn + shift_n).tanh() * self.each(half, dtype) - self.each(offset, dtype);
        let rounded_mn = bounded_mn.round().stop_gradient();
        let middle_n = self.each(|level| (level / 2) as f64, dtype);
        let through_mn = &bounded_mn + (&rounded_mn - &bounded_mn).stop_gradient();
        // In f32: codes reach 2²⁴, beyond what half a precision counts.
        let steps_mn = (rounded_mn + &middle_n).cast(DType::F32);
        let strides_n = Tensor::new(&self.strides(), &[self.latents()]).cast(DType::F32);
        let codes_m = (steps_mn * strides_n).sum_axes(&[-1], false).cast(DType::I64);
        Ok((through_mn / middle_n, codes_m))
    }

    /// Of codes `[m]` the values `[m, n]`, f32.
    ///
    /// # Errors
    /// When a code is none.
    pub fn values(&self, codes_m: &Tensor) -> Result<Tensor> {
        let codes = codes_m.cast(DType::I64).to_vec::<i64>()?;
        let mut values = Vec::with_capacity(codes.len() * self.latents());
        for code in &codes {
            let known = usize::try_from(*code).ok().filter(|code| *code < self.codes());
            let mut rest =
                known.ok_or_else(|| Error::data(format!("the code {code} is none of 0 to {}", self.codes() - 1)))?;
            for level in &self.levels {
                let middle = (level / 2) as f64;
                values.push((((rest % level) as f64 - middle) / middle) as f32);
                rest /= level;
            }
        }
        Ok(Tensor::new(&values, &[codes.len(), self.latents()]))
    }
}

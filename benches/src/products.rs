//! The matrix products of a step alone, by the fastest product at hand: the lower limit of what a step can take.

use std::collections::BTreeMap;
use std::time::Instant;

use compute::{Device, Tensor, ops};
use serde_json::{Value as Json, json};

use crate::error::Result;
use crate::measure::median;

/// How the operands of a product lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    /// `a [m, k]` and the transpose of `b [n, k]`: a linear layer forward.
    Nt,
    /// `a [m, k]` and `b [k, n]`: the gradient of its input.
    Nn,
    /// The transpose of `a [k, m]` and `b [k, n]`: the gradient of its weight.
    Tn,
}

/// Sizes of a product: `batch` of `[m, k] · [k, n]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Product {
    /// Products at once.
    pub batch: usize,
    /// Rows of the result.
    pub m: usize,
    /// What is summed over.
    pub k: usize,
    /// Columns of the result.
    pub n: usize,
    /// How the operands lie.
    pub lie: Lie,
}

/// Products with how often each is done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Products(BTreeMap<Product, f64>);

impl Products {
    /// Adds one product, `times` over.
    pub fn add(&mut self, times: f64, product: Product) {
        *self.0.entry(product).or_default() += times;
    }

    /// Adds `times` linear layers of `rows`, forward only.
    pub fn forward(&mut self, times: f64, rows: usize, inputs: usize, outputs: usize) {
        self.add(times, Product { batch: 1, m: rows, k: inputs, n: outputs, lie: Lie::Nt });
    }

    /// Adds `times` linear layers of `rows`: forward, the gradients of input and weight.
    pub fn linear(&mut self, times: f64, rows: usize, inputs: usize, outputs: usize) {
        self.forward(times, rows, inputs, outputs);
        self.add(times, Product { batch: 1, m: rows, k: outputs, n: inputs, lie: Lie::Nn });
        self.add(times, Product { batch: 1, m: outputs, k: rows, n: inputs, lie: Lie::Tn });
    }

    /// Adds `times` linear layers on the data itself, whose gradient nobody needs.
    pub fn first_linear(&mut self, times: f64, rows: usize, inputs: usize, outputs: usize) {
        self.forward(times, rows, inputs, outputs);
        self.add(times, Product { batch: 1, m: outputs, k: rows, n: inputs, lie: Lie::Tn });
    }

    /// Adds `times` attentions of `batch` heads of `head_dim` over `length` rows each: two products forward, four
    /// backward, nothing computed twice. Of a causal one half of each is needed: `times` 0.5.
    pub fn attention(&mut self, times: f64, batch: usize, length: usize, head_dim: usize) {
        let (t, e) = (length, head_dim);
        self.add(2.0 * times, Product { batch, m: t, k: e, n: t, lie: Lie::Nt });
        self.add(2.0 * times, Product { batch, m: t, k: t, n: e, lie: Lie::Nn });
        self.add(2.0 * times, Product { batch, m: t, k: t, n: e, lie: Lie::Tn });
    }

    /// Adds the two products of an attention forward.
    pub fn attention_forward(&mut self, times: f64, batch: usize, length: usize, head_dim: usize) {
        let (t, e) = (length, head_dim);
        self.add(times, Product { batch, m: t, k: e, n: t, lie: Lie::Nt });
        self.add(times, Product { batch, m: t, k: t, n: e, lie: Lie::Nn });
    }

    /// Those of layers forward: the ones with a transposed weight.
    #[must_use]
    pub fn forward_only(&self) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(product, _)| product.lie == Lie::Nt)
                .map(|(product, times)| (*product, *times))
                .collect(),
        )
    }

    /// Divides how often each is done, for a mean over `steps` steps.
    #[must_use]
    pub fn over(mut self, steps: usize) -> Self {
        self.0.values_mut().for_each(|times| *times /= steps.max(1) as f64);
        self
    }

    /// As the Python side takes them: `[times, batch, m, k, n, lie]`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let lie = |lie: Lie| ["nt", "nn", "tn"][lie as usize];
        self.0.iter().map(|(p, times)| json!([times, p.batch, p.m, p.k, p.n, lie(p.lie)])).collect()
    }

    /// Milliseconds that `compute` takes for all of them: Σ times · median of `rounds`.
    ///
    /// # Errors
    /// When memory is short.
    pub fn milliseconds(&self, rounds: usize) -> Result<f64> {
        let mut total = 0.0;
        for (product, times) in &self.0 {
            total += times * product.milliseconds(rounds)?;
        }
        Ok(total)
    }
}

impl Product {
    fn milliseconds(&self, rounds: usize) -> Result<f64> {
        let Self { batch, m, k, n, lie } = *self;
        let (left, right) = match lie {
            Lie::Nt => (ones(batch, m, k)?, ops::transpose(&ones(batch, n, k)?, -2, -1)?),
            Lie::Nn => (ones(batch, m, k)?, ones(batch, k, n)?),
            Lie::Tn => (ops::transpose(&ones(batch, k, m)?, -2, -1)?, ones(batch, k, n)?),
        };
        let mut spent = Vec::with_capacity(rounds);
        // The first call warms caches and is not counted.
        for round in 0..=rounds {
            let begun = Instant::now();
            drop(std::hint::black_box(ops::matmul(&left, &right)?));
            if round > 0 {
                spent.push(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
        Ok(median(spent))
    }
}

/// Small numbers that differ: products of denormals or of equal numbers must not be faster.
fn ones(batch: usize, rows: usize, columns: usize) -> Result<Tensor> {
    let numbers: Vec<f32> = (0..batch * rows * columns).map(|at| (at % 13) as f32 / 13.0 - 0.5).collect();
    let shape = [batch, rows, columns];
    Ok(Tensor::from_slice(&numbers, if batch == 1 { &shape[1..] } else { &shape }, &Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_linear_layer_is_three_products_of_the_same_work() {
        let mut products = Products::default();
        products.linear(2.0, 8, 3, 5);
        let work: Vec<usize> = products.0.keys().map(|p| p.m * p.k * p.n).collect();
        assert_eq!(work, [120; 3]);
        assert!(products.0.values().all(|times| *times == 2.0));
        assert_eq!(products.to_json().as_array().unwrap().len(), 3);
    }

    #[test]
    fn equal_products_are_measured_once() {
        let mut products = Products::default();
        products.attention(1.0, 2, 4, 3);
        products.attention(3.0, 2, 4, 3);
        let products = products.over(2);
        assert!(products.0.values().all(|times| *times == 4.0));
        assert_eq!(products.0.len(), 3);
        assert!(products.milliseconds(2).unwrap() > 0.0);
    }
}

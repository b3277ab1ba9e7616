//! Operations at the sizes of the case mlm-step, and what each is held against: a copy of the same bytes or the same products.

use compute::layout::Layout;
use compute::mask::Mask;
use compute::nn_ops::{self, Activation};
use compute::{Device, Gradients, Leaf, Result, Tensor, Value, backward, ops};

use crate::products::Products;

const ROWS: usize = 4096;
const TEXTS: usize = 32;
const WIDTH: usize = 256;
const HEADS: usize = 4;
const FFN: usize = 1024;
const CHOSEN: usize = 608;
const VOCABULARY: usize = 8192;

/// What an operation is held against: work that it cannot do without, in the same run.
#[derive(Debug, Clone, PartialEq)]
pub enum Against {
    /// A copy of so many floats: what it reads or writes at least.
    Copy(usize),
    /// Its products: forward, and forward and backward together.
    Products(Products, Products),
}

/// An operation with its inputs.
pub struct Operation {
    run: Box<dyn Fn() -> Result<Tensor>>,
    /// What it is held against.
    pub against: Against,
}

impl Operation {
    fn new(against: Against, run: impl Fn() -> Result<Tensor> + 'static) -> Self {
        Self { run: Box::new(run), against }
    }

    /// Its result, recorded for a backward pass.
    ///
    /// # Errors
    /// When the inputs do not fit, which is a mistake here.
    pub fn forward(&self) -> Result<Tensor> {
        (self.run)()
    }
}

/// The gradient of ones, for every input.
///
/// # Errors
/// When the backward pass fails.
pub fn back(output: &Tensor, seed: &Value) -> Result<Gradients> {
    let mut gradients = Gradients::default();
    backward(output, Some(seed), false, &mut gradients)?;
    Ok(gradients)
}

/// Makes an operation with its inputs.
pub type Make = fn() -> Result<Operation>;

/// The operations by name: the fused ones, then plain ones.
pub const OPERATIONS: [(&str, Make); 20] = [
    ("linear-256-768", || linear(WIDTH, 3 * WIDTH, Activation::None)),
    ("linear-256-256", || linear(WIDTH, WIDTH, Activation::None)),
    ("linear-256-1024-gelu", || linear(WIDTH, FFN, Activation::Gelu)),
    ("linear-1024-256", || linear(FFN, WIDTH, Activation::None)),
    ("attention", attention),
    ("layer-norm", layer_norm),
    ("layer-norm-residual", layer_norm_residual),
    ("rms-norm", rms_norm),
    ("swiglu", || {
        let x = input(&[ROWS, 2 * FFN])?;
        Ok(Operation::new(Against::Copy(ROWS * 2 * FFN), move || nn_ops::glu(&x, Activation::Silu)))
    }),
    ("rotary", rotary),
    ("embedding", embedding),
    ("cross-entropy", cross_entropy),
    ("linear-cross-entropy", linear_cross_entropy),
    ("softmax", || {
        let x = input(&[CHOSEN, VOCABULARY])?;
        Ok(Operation::new(Against::Copy(CHOSEN * VOCABULARY), move || nn_ops::softmax(&x)))
    }),
    ("gelu", || {
        let x = input(&[ROWS, FFN])?;
        Ok(Operation::new(Against::Copy(ROWS * FFN), move || ops::gelu(&x)))
    }),
    ("add", || {
        let (x, y) = (input(&[ROWS, WIDTH])?, input(&[ROWS, WIDTH])?);
        Ok(Operation::new(Against::Copy(ROWS * WIDTH), move || ops::add(&x, &y)))
    }),
    ("mul", || {
        let (x, y) = (input(&[ROWS, WIDTH])?, input(&[ROWS, WIDTH])?);
        Ok(Operation::new(Against::Copy(ROWS * WIDTH), move || ops::mul(&x, &y)))
    }),
    ("sum", || {
        let x = input(&[ROWS, FFN])?;
        Ok(Operation::new(Against::Copy(ROWS * FFN), move || ops::sum_all(&x)))
    }),
    ("index-select", || {
        let (x, rows) = (input(&[ROWS, WIDTH])?, spread(CHOSEN, ROWS)?);
        Ok(Operation::new(Against::Copy(CHOSEN * WIDTH), move || ops::index_select(&x, 0, &rows)))
    }),
    ("matmul-square", || {
        let (x, y) = (input(&[FFN, FFN])?, input(&[FFN, FFN])?);
        let (forward, both) = products(|products| products.linear(1.0, FFN, FFN, FFN));
        Ok(Operation::new(Against::Products(forward, both), move || ops::matmul(&x, &y)))
    }),
];

/// Numbers between −0.5 and 0.5 that want a gradient.
fn input(shape: &[usize]) -> Result<Tensor> {
    let count: usize = shape.iter().product();
    let numbers: Vec<f32> = (0..count).map(|at| (at * 7 % 1009) as f32 / 1009.0 - 0.5).collect();
    let value = Tensor::from_slice(&numbers, shape, &Device::Cpu)?.value().clone();
    Ok(Tensor::leaf(value, &Leaf::new("input")))
}

/// `count` indices below `end`, spread evenly.
fn spread(count: usize, end: usize) -> Result<Tensor> {
    let indices: Vec<i64> = (0..count).map(|at| (at * end / count) as i64).collect();
    Tensor::from_slice(&indices, &[count], &Device::Cpu)
}

/// Forward products alone, and all of them.
fn products(all: impl Fn(&mut Products)) -> (Products, Products) {
    let mut both = Products::default();
    all(&mut both);
    (both.forward_only(), both)
}

fn linear(inputs: usize, outputs: usize, activation: Activation) -> Result<Operation> {
    let (x, weight, bias) = (input(&[ROWS, inputs])?, input(&[outputs, inputs])?, input(&[outputs])?);
    let (forward, both) = products(|products| products.linear(1.0, ROWS, inputs, outputs));
    Ok(Operation::new(Against::Products(forward, both), move || nn_ops::linear(&x, &weight, Some(&bias), activation)))
}

fn attention() -> Result<Operation> {
    let shape = [ROWS, HEADS, WIDTH / HEADS];
    let (q, k, v) = (input(&shape)?, input(&shape)?, input(&shape)?);
    let keys: Vec<u64> = (0..TEXTS as u64).collect();
    let layout = Layout::new(&[ROWS / TEXTS; TEXTS], &keys)?;
    let (length, head_dim) = (ROWS / TEXTS, WIDTH / HEADS);
    let (mut forward, mut both) = (Products::default(), Products::default());
    both.attention(1.0, TEXTS * HEADS, length, head_dim);
    forward.attention_forward(1.0, TEXTS * HEADS, length, head_dim);
    let scale = (head_dim as f64).sqrt().recip();
    Ok(Operation::new(Against::Products(forward, both), move || {
        nn_ops::attention(&q, &k, &v, &layout, &layout, &Mask::full(), scale, None)
    }))
}

fn layer_norm() -> Result<Operation> {
    let (x, weight, bias) = (input(&[ROWS, WIDTH])?, input(&[WIDTH])?, input(&[WIDTH])?);
    Ok(Operation::new(Against::Copy(ROWS * WIDTH), move || nn_ops::layer_norm(&x, Some(&weight), Some(&bias), 1e-12)))
}

fn layer_norm_residual() -> Result<Operation> {
    let (x, residual) = (input(&[ROWS, WIDTH])?, input(&[ROWS, WIDTH])?);
    let (weight, bias) = (input(&[WIDTH])?, input(&[WIDTH])?);
    Ok(Operation::new(Against::Copy(ROWS * WIDTH), move || {
        Ok(nn_ops::layer_norm_residual(&x, &residual, Some(&weight), Some(&bias), 1e-12)?.0)
    }))
}

fn rms_norm() -> Result<Operation> {
    let (x, weight) = (input(&[ROWS, WIDTH])?, input(&[WIDTH])?);
    Ok(Operation::new(Against::Copy(ROWS * WIDTH), move || nn_ops::rms_norm(&x, Some(&weight), 1e-5)))
}

fn rotary() -> Result<Operation> {
    let head_dim = WIDTH / HEADS;
    let x = input(&[ROWS, HEADS, head_dim])?;
    let positions: Vec<u32> = (0..ROWS as u32).map(|row| row % (ROWS / TEXTS) as u32).collect();
    Ok(Operation::new(Against::Copy(ROWS * WIDTH), move || nn_ops::rotary(&x, &positions, 1e4, false, head_dim)))
}

fn embedding() -> Result<Operation> {
    let (table, ids) = (input(&[VOCABULARY, WIDTH])?, spread(ROWS, VOCABULARY)?);
    Ok(Operation::new(Against::Copy(ROWS * WIDTH), move || nn_ops::embedding(&table, &ids)))
}

fn cross_entropy() -> Result<Operation> {
    let (logits, targets) = (input(&[CHOSEN, VOCABULARY])?, spread(CHOSEN, VOCABULARY)?);
    Ok(Operation::new(Against::Copy(CHOSEN * VOCABULARY), move || {
        nn_ops::cross_entropy(&logits, &targets, nn_ops::IGNORE, 0.0)
    }))
}

fn linear_cross_entropy() -> Result<Operation> {
    let (hidden, weight) = (input(&[CHOSEN, WIDTH])?, input(&[VOCABULARY, WIDTH])?);
    let (bias, targets) = (input(&[VOCABULARY])?, spread(CHOSEN, VOCABULARY)?);
    let (forward, both) = products(|products| products.linear(1.0, CHOSEN, WIDTH, VOCABULARY));
    Ok(Operation::new(Against::Products(forward, both), move || {
        nn_ops::linear_cross_entropy(&hidden, &weight, Some(&bias), &targets, nn_ops::IGNORE, 0.0, 0)
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_operation_goes_forward_and_back() {
        for (name, make) in OPERATIONS {
            let operation = make().unwrap();
            let output = operation.forward().unwrap();
            assert!(output.needs_gradient(), "{name}");
            let seed = output.value().ones_like().unwrap();
            assert!(back(&output, &seed).unwrap().leaves().count() > 0, "{name}");
        }
    }
}

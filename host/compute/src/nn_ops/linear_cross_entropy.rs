//! A vocabulary head and its cross-entropy in one, a chunk of rows at a time.

use super::cross_entropy::{checked_targets, matrix_dims, row_gradient, row_loss, rows_in_groups};
use super::linear::column_sums;
use super::on_device;
use crate::kernel::{
    Matrix, Real, add_into, by_real, matrices, optional_slice, over_rows, product, require_width, slice, value_as,
};
use crate::{Error, Result, Tensor, Value};

/// The cross-entropy of each row of `hidden weightᵀ + bias`, `[n]` in f32 at least, without ever holding all logits.
///
/// `hidden [n, d]`, `weight [v, d]`, `bias [v]`, `targets [n]`; ignored rows cost nothing and give 0. Logits exist for `chunk`
/// rows at a time (0: as many as make 4 million logits) and are computed again in the backward pass: one product more than
/// [`super::linear`] and [`super::cross_entropy`] apart, for n·v numbers less.
///
/// # Errors
/// As those two.
pub fn linear_cross_entropy(
    hidden: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    targets: &Tensor,
    ignore: i64,
    smoothing: f64,
    chunk: usize,
) -> Result<Tensor> {
    const NAME: &str = "linear_cross_entropy";
    let (rows, width) = matrix_dims(NAME, hidden)?;
    let (classes, weight_width) = matrix_dims(NAME, weight)?;
    if weight_width != width {
        return Err(Error::shape(
            NAME,
            format!(
                "hidden {:?} has {width} features, the weight {:?} takes {weight_width}",
                hidden.dims(),
                weight.dims()
            ),
        )
        .with_help("the last axes of hidden and weight [classes, features] are the same"));
    }
    require_width(NAME, "the bias", bias, classes, weight)?;
    let targets = checked_targets(NAME, targets, rows, classes, ignore, smoothing)?;
    if on_device::is_other(hidden.device()) {
        return on_device::linear_cross_entropy(hidden, weight, bias, &targets, smoothing, chunk);
    }
    let head = Head {
        hidden: hidden.value().clone(),
        weight: weight.value().clone(),
        bias: bias.map(|bias| bias.value().clone()),
        labelled: targets.iter().enumerate().filter_map(|(row, target)| target.map(|target| (row, target))).collect(),
        smoothing,
        chunk: if chunk == 0 { (4_000_000 / classes).max(1) } else { chunk },
    };
    let inputs: Vec<&Tensor> = [Some(hidden), Some(weight), bias].into_iter().flatten().collect();
    by_real!(hidden.value().dtype(), T => {
        let (loss, lse) = head.forward::<T>()?;
        Ok(Tensor::from_op(NAME, loss, &inputs, move |gradient, needs| head.backward::<T>(&lse, gradient, needs)))
    })
}

struct Head {
    hidden: Value,
    weight: Value,
    bias: Option<Value>,
    /// Row and target of each row that counts.
    labelled: Vec<(usize, usize)>,
    smoothing: f64,
    chunk: usize,
}

impl Head {
    /// Losses of all rows, and the log-sum-exp of each labelled one.
    fn forward<T: Real>(&self) -> Result<(Value, Vec<T>)> {
        let ((rows, width), classes) = (self.hidden.dims2()?, self.weight.dims()[0]);
        slice!(hidden: T = &self.hidden);
        matrices!(weight: T = &self.weight);
        let weight = weight.matrix(0);
        optional_slice!(bias: T = self.bias.as_ref());
        let mut losses = vec![T::zero(); self.labelled.len()];
        let mut lse = losses.clone();
        let mut logits = Vec::new();
        for (chunk, labelled) in self.labelled.chunks(self.chunk).enumerate() {
            let start = chunk * self.chunk;
            let inputs = taken(hidden, width, labelled);
            chunk_logits(&mut logits, &inputs, width, weight, classes, bias);
            let range = start..start + labelled.len();
            let group = crate::kernel::rows_per_task(classes);
            rows_in_groups(&mut losses[range.clone()], &mut lse[range], group, |row, loss, lse| {
                (*loss, *lse) = row_loss(&logits[row * classes..(row + 1) * classes], labelled[row].1, self.smoothing);
            });
        }
        let mut all = vec![T::zero(); rows];
        for ((row, _), loss) in self.labelled.iter().zip(losses) {
            all[*row] = loss;
        }
        Ok((value_as(all, &[rows], T::DTYPE)?, lse))
    }

    fn backward<T: Real>(&self, lse: &[T], gradient: &Value, needs: &[bool]) -> Result<Vec<Option<Value>>> {
        let ((rows, width), classes) = (self.hidden.dims2()?, self.weight.dims()[0]);
        slice!(hidden: T = &self.hidden);
        slice!(g: T = gradient);
        matrices!(weight: T = &self.weight);
        let weight = weight.matrix(0);
        optional_slice!(bias: T = self.bias.as_ref());
        let mut dhidden = vec![T::zero(); if needs[0] { rows * width } else { 0 }];
        let mut dweight = vec![T::zero(); if needs[1] { classes * width } else { 0 }];
        let mut dbias = vec![T::zero(); classes];
        let (mut logits, mut dinputs) = (Vec::new(), Vec::new());
        for (chunk, labelled) in self.labelled.chunks(self.chunk).enumerate() {
            let inputs = taken(hidden, width, labelled);
            chunk_logits(&mut logits, &inputs, width, weight, classes, bias);
            let lse = &lse[chunk * self.chunk..];
            over_rows(&mut logits, classes, |first, logits| {
                for (index, row) in logits.chunks_mut(classes).enumerate() {
                    let (place, target) = labelled[first + index];
                    row_gradient(row, target, lse[first + index], self.smoothing, g[place]);
                }
            });
            let dlogits = Matrix::new(&logits, labelled.len(), classes, classes);
            if needs[0] {
                dinputs.resize(labelled.len() * width, T::zero());
                product(&mut dinputs, width, false, T::one(), dlogits, weight, true);
                for ((row, _), from) in labelled.iter().zip(dinputs.chunks(width)) {
                    dhidden[row * width..(row + 1) * width].copy_from_slice(from);
                }
            }
            if needs[1] {
                let inputs = Matrix::new(&inputs, labelled.len(), width, width);
                product(&mut dweight, width, true, T::one(), dlogits.transposed(), inputs, true);
            }
            if needs.get(2) == Some(&true) {
                add_into(&mut dbias, &column_sums(&logits, labelled.len(), classes));
            }
        }
        let mut gradients = vec![None; needs.len()];
        if needs[0] {
            gradients[0] = Some(value_as(dhidden, &[rows, width], self.hidden.dtype())?);
        }
        if needs[1] {
            gradients[1] = Some(value_as(dweight, &[classes, width], self.weight.dtype())?);
        }
        if let Some(bias) = &self.bias
            && needs[2]
        {
            gradients[2] = Some(value_as(dbias, &[classes], bias.dtype())?);
        }
        Ok(gradients)
    }
}

fn taken<T: Real>(hidden: &[T], width: usize, labelled: &[(usize, usize)]) -> Vec<T> {
    labelled.iter().flat_map(|(row, _)| &hidden[row * width..(row + 1) * width]).copied().collect()
}

fn chunk_logits<T: Real>(
    logits: &mut Vec<T>,
    inputs: &[T],
    width: usize,
    weight: Matrix<T>,
    classes: usize,
    bias: Option<&[T]>,
) {
    let rows = inputs.len() / width;
    logits.resize(rows * classes, T::zero());
    product(logits, classes, false, T::one(), Matrix::new(inputs, rows, width, width), weight.transposed(), true);
    if let Some(bias) = bias {
        over_rows(logits, classes, |_, chunk| chunk.chunks_mut(classes).for_each(|row| add_into(row, bias)));
    }
}

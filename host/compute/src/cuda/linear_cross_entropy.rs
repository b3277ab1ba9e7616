//! A vocabulary head and its cross-entropy, a chunk of labelled rows at a time.

use std::sync::Arc;

use super::cross_entropy::Labels;
use super::sums::column_sums;
use super::{real, takes};
use crate::ops::product;
use crate::{Result, Tensor, Value};

/// Logits that one chunk holds about, unless the caller says how many rows.
const CHUNK: usize = 1 << 26;

/// What both passes read.
struct Head {
    hidden: Value,
    weight: Value,
    bias: Option<Value>,
    /// Row and target of each row that counts.
    labelled: Vec<(u32, usize)>,
    smoothing: f64,
    chunk: usize,
}

/// The loss of each row of `hidden weightᵀ + bias`, or `None` for values the kernels don't take. Targets are checked already.
///
/// `chunk` as in `nn_ops::linear_cross_entropy`; 0 stands for as many rows as make 67 million logits.
pub(crate) fn linear_cross_entropy(
    hidden: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    targets: &[Option<usize>],
    smoothing: f64,
    chunk: usize,
) -> Result<Option<Tensor>> {
    let labelled: Vec<(u32, usize)> =
        targets.iter().enumerate().filter_map(|(row, target)| target.map(|target| (row as u32, target))).collect();
    if !takes(hidden.value()) || !takes(weight.value()) || labelled.is_empty() {
        return Ok(None);
    }
    let inputs: Vec<&Tensor> = [Some(hidden), Some(weight), bias].into_iter().flatten().collect();
    let head = Head {
        hidden: hidden.value().clone(),
        weight: weight.value().clone(),
        bias: bias.map(|bias| bias.value().clone()),
        labelled,
        smoothing,
        chunk: if chunk == 0 { (CHUNK / weight.dims()[0]).max(1) } else { chunk },
    };
    let head = Arc::new(head);
    let (loss, lse) = head.forward()?;
    Ok(Some(Tensor::from_op("linear_cross_entropy", loss, &inputs, move |gradient, needs| {
        head.backward(&lse, gradient, needs)
    })))
}

/// One chunk of labelled rows.
struct Part {
    /// Their numbers, u32.
    rows: Value,
    inputs: Value,
    logits: Value,
    labels: Labels,
}

impl Head {
    fn parts(&self) -> impl Iterator<Item = Result<Part>> + '_ {
        self.labelled.chunks(self.chunk).map(|labelled| self.part(labelled))
    }

    fn part(&self, labelled: &[(u32, usize)]) -> Result<Part> {
        let elements = self.hidden.dtype();
        let rows: Vec<u32> = labelled.iter().map(|(row, _)| *row).collect();
        let rows = Value::from_vec(rows, labelled.len(), self.hidden.device())?;
        let inputs = self.hidden.contiguous()?.index_select(&rows, 0)?;
        let mut logits = product(&inputs, &self.weight.to_dtype(elements)?.t()?)?;
        if let Some(bias) = &self.bias {
            logits = logits.broadcast_add(&bias.to_dtype(logits.dtype())?)?;
        }
        let targets: Vec<Option<usize>> = labelled.iter().map(|(_, target)| Some(*target)).collect();
        let labels = Labels::new(&logits, &targets, self.smoothing)?;
        Ok(Part { rows, inputs, logits, labels })
    }

    /// Losses of all rows, and the log-sum-exp of each chunk's.
    fn forward(&self) -> Result<(Value, Vec<Value>)> {
        let mut losses = Value::zeros(self.hidden.dims()[0], real(self.hidden.dtype()), self.hidden.device())?;
        let mut all = Vec::new();
        for part in self.parts() {
            let part = part?;
            let (loss, lse) = part.labels.forward(&part.logits)?;
            losses = losses.index_add(&part.rows, &loss, 0)?;
            all.push(lse);
        }
        Ok((losses, all))
    }

    fn backward(&self, lse: &[Value], gradient: &Value, needs: &[bool]) -> Result<Vec<Option<Value>>> {
        let mut gradients = vec![None; needs.len()];
        // Chunks are added in the computing type, since many small numbers are lost in bf16.
        let add = |sum: &mut Option<Value>, more: Value| -> Result<()> {
            let more = more.to_dtype(real(self.hidden.dtype()))?;
            *sum = Some(match sum.take() {
                Some(sum) => (sum + more)?,
                None => more,
            });
            Ok(())
        };
        for (part, lse) in self.parts().zip(lse) {
            let part = part?;
            let each = gradient.contiguous()?.index_select(&part.rows, 0)?;
            let dlogits = part.labels.backward(&part.logits, lse, &each)?;
            if needs[0] {
                let dinputs = product(&dlogits, &self.weight.to_dtype(dlogits.dtype())?)?;
                let zeros = Value::zeros(self.hidden.dims(), dinputs.dtype(), dinputs.device())?;
                add(&mut gradients[0], zeros.index_add(&part.rows, &dinputs, 0)?)?;
            }
            if needs[1] {
                add(&mut gradients[1], product(&dlogits.t()?, &part.inputs.to_dtype(dlogits.dtype())?)?)?;
            }
            if needs.get(2) == Some(&true) {
                add(&mut gradients[2], column_sums(&dlogits)?)?;
            }
        }
        let dtypes = [Some(&self.hidden), Some(&self.weight), self.bias.as_ref()];
        for (gradient, like) in gradients.iter_mut().zip(dtypes.into_iter().flatten()) {
            *gradient = gradient.take().map(|gradient| gradient.to_dtype(like.dtype())).transpose()?;
        }
        Ok(gradients)
    }
}

//! Sparse linear maps along the two spatial axes: averages and interpolations, and as their transposes the gradients.

use rayon::prelude::*;

use super::{checked, lifted, lowered};
use crate::kernel::{Real, by_real, slice, value_of, widen};
use crate::{Device, Result, Tensor, Value};

/// A sparse matrix `[outputs, inputs]`, row by row.
#[derive(Debug, Clone)]
pub(super) struct AxisMap {
    inputs: usize,
    /// Where the entries of each row begin, and the end of the last.
    starts: Vec<usize>,
    entries: Vec<(usize, f64)>,
}

impl AxisMap {
    /// The map whose row `i` has the entries (input, weight) of `row(i)`.
    pub(super) fn new(inputs: usize, outputs: usize, row: impl Fn(usize) -> Vec<(usize, f64)>) -> Self {
        let mut map = Self { inputs, starts: vec![0], entries: Vec::new() };
        for output in 0..outputs {
            map.entries.extend(row(output));
            map.starts.push(map.entries.len());
        }
        map
    }

    /// The map that changes nothing.
    pub(super) fn identity(length: usize) -> Self {
        Self::new(length, length, |index| vec![(index, 1.0)])
    }

    fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    fn row(&self, output: usize) -> &[(usize, f64)] {
        &self.entries[self.starts[output]..self.starts[output + 1]]
    }

    fn transposed(&self) -> Self {
        let mut rows: Vec<Vec<(usize, f64)>> = vec![Vec::new(); self.inputs];
        for output in 0..self.outputs() {
            for (input, weight) in self.row(output) {
                rows[*input].push((output, *weight));
            }
        }
        Self::new(self.outputs(), self.inputs, |input| rows[input].clone())
    }

    /// The transpose written out: `[inputs, outputs]`.
    fn matrix(&self, like: &Value) -> Result<Value> {
        let mut dense = vec![0.0; self.inputs * self.outputs()];
        for output in 0..self.outputs() {
            for (input, weight) in self.row(output) {
                dense[input * self.outputs() + output] += *weight;
            }
        }
        let matrix = Value::from_vec(dense, (self.inputs, self.outputs()), &Device::Cpu)?;
        Ok(matrix.to_dtype(like.dtype())?.to_device(like.device())?)
    }
}

/// Applies `rows` along the height and `columns` along the width of `x` (with one axis: `columns` only), and records it.
pub(super) fn resample(
    name: &'static str,
    x: &Tensor,
    axes: usize,
    rows: &AxisMap,
    columns: &AxisMap,
) -> Result<Tensor> {
    checked(name, x, axes)?;
    let output = lowered(&applied(&lifted(x.value(), axes)?, rows, columns)?, axes)?;
    let (rows, columns) = (rows.transposed(), columns.transposed());
    Ok(Tensor::from_op(name, output, &[x], move |gradient, _| {
        Ok(vec![Some(lowered(&applied(&lifted(gradient, axes)?, &rows, &columns)?, axes)?)])
    }))
}

fn applied(value: &Value, rows: &AxisMap, columns: &AxisMap) -> Result<Value> {
    let (batch, channels, _, _) = value.dims4()?;
    let wide = widen(value)?;
    let output = if wide.device().is_cpu() {
        by_real!(wide.dtype(), T => {
            slice!(input: T = &wide);
            let output = cpu_applied(input, batch * channels, rows, columns);
            value_of(output, &[batch, channels, rows.outputs(), columns.outputs()])?
        })
    } else {
        composed(&wide, rows, columns)?
    };
    Ok(output.to_dtype(value.dtype())?)
}

fn cpu_applied<T: Real>(input: &[T], planes: usize, rows: &AxisMap, columns: &AxisMap) -> Vec<T> {
    let (width, plane_size) = (columns.inputs, rows.inputs * columns.inputs);
    let mut output = vec![T::zero(); planes * rows.outputs() * columns.outputs()];
    let chunk = (rows.outputs() * columns.outputs()).max(1);
    let weights: Vec<T> = columns.entries.iter().map(|(_, weight)| T::of(*weight)).collect();
    let body = |line: &mut Vec<T>, (plane, output): (usize, &mut [T])| {
        let input = &input[plane * plane_size..(plane + 1) * plane_size];
        for (row, output) in output.chunks_mut(columns.outputs()).enumerate() {
            line.clear();
            line.resize(width, T::zero());
            for (source, weight) in rows.row(row) {
                let weight = T::of(*weight);
                let source = &input[source * width..(source + 1) * width];
                line.iter_mut().zip(source).for_each(|(sum, value)| *sum += weight * *value);
            }
            for (column, output) in output.iter_mut().enumerate() {
                let range = columns.starts[column]..columns.starts[column + 1];
                let entries = columns.entries[range.clone()].iter().zip(&weights[range]);
                *output = entries.fold(T::zero(), |sum, ((source, _), weight)| sum + *weight * line[*source]);
            }
        }
    };
    output.par_chunks_mut(chunk).enumerate().for_each_init(Vec::new, body);
    output
}

/// The same as two products with the written-out matrices, for devices without kernels of our own.
pub(super) fn composed(value: &Value, rows: &AxisMap, columns: &AxisMap) -> Result<Value> {
    let (batch, channels, height, width) = value.dims4()?;
    let planes = batch * channels;
    let wide = value.contiguous()?.reshape((planes * height, width))?.matmul(&columns.matrix(value)?)?;
    let turned = wide.reshape((planes, height, columns.outputs()))?.transpose(1, 2)?.contiguous()?;
    let tall = turned.reshape((planes * columns.outputs(), height))?.matmul(&rows.matrix(value)?)?;
    let output = tall.reshape((planes, columns.outputs(), rows.outputs()))?.transpose(1, 2)?.contiguous()?;
    Ok(output.reshape((batch, channels, rows.outputs(), columns.outputs()))?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::testing;

    #[test]
    fn the_kernel_agrees_with_written_out_matrices() {
        let rows = AxisMap::new(5, 3, |i| vec![(i, 0.25), (i + 2, 0.75)]);
        let columns = AxisMap::new(7, 9, |i| vec![(i * 7 / 9, 1.5), (6 - i * 7 / 9, -0.5)]);
        let x = testing::random(&[2, 3, 5, 7], 1);
        let fast = applied(&x, &rows, &columns).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let plain = composed(&x, &rows, &columns).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        assert!(fast.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-12));
        let g = testing::random(&[2, 3, 3, 9], 2);
        let (rows, columns) = (rows.transposed(), columns.transposed());
        let fast = applied(&g, &rows, &columns).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let plain = composed(&g, &rows, &columns).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        assert!(fast.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

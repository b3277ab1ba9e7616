//! The three products of a convolution: forward, gradient of the input, gradient of the weights.
//!
//! On the CPU each sample and group is one task: windows gathered into columns and one matrix product, or plain loops
//! over the taps where a group has a single input channel (depthwise). Elsewhere the same is written with plain
//! operations, which is also the reference the CPU is tested against.

use rayon::prelude::*;

use super::columns::Phases;
use super::windows::Windows;
use crate::kernel::{Matrix, Real, by_real, product, slice, sum, value_of};
use crate::{Result, Value};

/// A convolution `[batch, in_channels, input]` → `[batch, out_channels, output]` with weights
/// `[out_channels, in_channels / groups, kernel]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) batch: usize,
    pub(super) in_channels: usize,
    pub(super) out_channels: usize,
    pub(super) groups: usize,
    pub(super) windows: Windows,
}

impl Plan {
    fn in_group(&self) -> usize {
        self.in_channels / self.groups
    }
    fn out_group(&self) -> usize {
        self.out_channels / self.groups
    }
    /// Elements that one output looks at: rows of the column matrix.
    fn depth(&self) -> usize {
        self.in_group() * self.windows.taps()
    }
    fn input_dims(&self) -> [usize; 4] {
        [self.batch, self.in_channels, self.windows.input[0], self.windows.input[1]]
    }
    fn output_dims(&self) -> [usize; 4] {
        [self.batch, self.out_channels, self.windows.output[0], self.windows.output[1]]
    }
    fn weight_dims(&self) -> [usize; 4] {
        [self.out_channels, self.in_group(), self.windows.kernel[0], self.windows.kernel[1]]
    }
    /// The column matrix is the input itself.
    fn pointwise(&self) -> bool {
        let windows = &self.windows;
        windows.taps() == 1 && windows.stride == [1, 1] && windows.padding == [0, 0]
    }
    fn depthwise(&self) -> bool {
        self.in_group() == 1 && self.groups > 1
    }
}

/// `to[i * stride] += factor * from[i]`.
fn add_strided<T: Real>(to: &mut [T], stride: usize, from: &[T], factor: T) {
    if stride == 1 {
        to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * *from);
    } else {
        to.iter_mut().step_by(stride).zip(from).for_each(|(to, from)| *to += factor * *from);
    }
}

/// The output: `[batch, out_channels, ...]`.
pub(super) fn forward(input: &Value, weight: &Value, plan: &Plan) -> Result<Value> {
    if !input.device().is_cpu() {
        return composed::forward(input, weight, plan);
    }
    by_real!(input.dtype(), T => {
        slice!(input: T = input);
        slice!(weight: T = weight);
        value_of(cpu_forward(input, weight, plan), &plan.output_dims())
    })
}

/// The gradient of the input from that of the output; also the forward of the transposed convolution.
pub(super) fn input_gradient(gradient: &Value, weight: &Value, plan: &Plan) -> Result<Value> {
    if !gradient.device().is_cpu() {
        return composed::input_gradient(gradient, weight, plan);
    }
    by_real!(gradient.dtype(), T => {
        slice!(gradient: T = gradient);
        slice!(weight: T = weight);
        value_of(cpu_input_gradient(gradient, weight, plan), &plan.input_dims())
    })
}

/// The gradient of the weights from input and gradient of the output.
pub(super) fn weight_gradient(input: &Value, gradient: &Value, plan: &Plan) -> Result<Value> {
    if !gradient.device().is_cpu() {
        return composed::weight_gradient(input, gradient, plan);
    }
    by_real!(gradient.dtype(), T => {
        slice!(input: T = input);
        slice!(gradient: T = gradient);
        value_of(cpu_weight_gradient(input, gradient, plan), &plan.weight_dims())
    })
}

/// The gradient of a bias from that of the output `[batch, channels, height, width]`: its sum over all but the channels.
pub(super) fn bias_gradient(gradient: &Value) -> Result<Value> {
    if !gradient.device().is_cpu() {
        return Ok(gradient.sum((0, 2, 3))?);
    }
    let (_, channels, height, width) = gradient.dims4()?;
    by_real!(gradient.dtype(), T => {
        slice!(elements: T = gradient);
        value_of(channel_sums(elements, channels, height * width), &[channels])
    })
}

fn channel_sums<T: Real>(elements: &[T], channels: usize, plane: usize) -> Vec<T> {
    let of_channel = |channel: usize| {
        let samples = elements.chunks((channels * plane).max(1));
        samples.fold(T::zero(), |total, sample| total + sum(&sample[channel * plane..(channel + 1) * plane]))
    };
    (0..channels).into_par_iter().map(of_channel).collect()
}

fn cpu_forward<T: Real>(input: &[T], weight: &[T], plan: &Plan) -> Vec<T> {
    let windows = &plan.windows;
    let (count, depth, out_group) = (windows.output_plane(), plan.depth(), plan.out_group());
    let in_size = plan.in_group() * windows.input_plane();
    let mut output = vec![T::zero(); plan.batch * plan.out_channels * count];
    let scratch = || (Vec::new(), Vec::new());
    output.par_chunks_mut(out_group * count).enumerate().for_each_init(scratch, |(phases, columns), (task, output)| {
        let input = &input[task * in_size..(task + 1) * in_size];
        let group = task % plan.groups;
        let weight = &weight[group * out_group * depth..(group + 1) * out_group * depth];
        if plan.depthwise() {
            for (output, weight) in output.chunks_mut(count).zip(weight.chunks(depth)) {
                windows.for_each_run(|tap, to, from, length| {
                    let (to, factor) = (&mut output[to..to + length], weight[tap]);
                    if windows.stride[1] == 1 {
                        to.iter_mut().zip(&input[from..]).for_each(|(to, from)| *to += factor * *from);
                    } else {
                        let from = input[from..].iter().step_by(windows.stride[1]);
                        to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * *from);
                    }
                });
            }
            return;
        }
        let weight = row_major(weight, out_group, depth);
        if plan.pointwise() {
            return product(output, count, false, T::one(), weight, row_major(input, depth, count), false);
        }
        let places = Phases::new(windows, plan.in_group());
        places.apart(input, phases);
        for rows in places.blocks() {
            places.gather(phases, &rows, columns);
            let (output, width) = (&mut output[rows.start * windows.output[1]..], rows.len() * windows.output[1]);
            product(output, count, false, T::one(), weight, row_major(columns, depth, width), false);
        }
    });
    output
}

fn cpu_input_gradient<T: Real>(gradient: &[T], weight: &[T], plan: &Plan) -> Vec<T> {
    let windows = &plan.windows;
    let (count, depth, out_group) = (windows.output_plane(), plan.depth(), plan.out_group());
    let out_size = out_group * count;
    let mut input = vec![T::zero(); plan.batch * plan.in_channels * windows.input_plane()];
    let in_size = plan.in_group() * windows.input_plane();
    let scratch = || (Vec::new(), Vec::new());
    input.par_chunks_mut(in_size).enumerate().for_each_init(scratch, |(phases, columns), (task, input)| {
        let gradient = &gradient[task * out_size..(task + 1) * out_size];
        let group = task % plan.groups;
        let weight = &weight[group * out_group * depth..(group + 1) * out_group * depth];
        if plan.depthwise() {
            for (gradient, weight) in gradient.chunks(count).zip(weight.chunks(depth)) {
                windows.for_each_run(|tap, from, to, length| {
                    add_strided(&mut input[to..], windows.stride[1], &gradient[from..from + length], weight[tap]);
                });
            }
            return;
        }
        let weight = row_major(weight, out_group, depth).transposed();
        if plan.pointwise() {
            return product(input, count, false, T::one(), weight, row_major(gradient, out_group, count), false);
        }
        let places = Phases::new(windows, plan.in_group());
        places.zeros(phases);
        for rows in places.blocks() {
            let width = rows.len() * windows.output[1];
            let gradient = Matrix::new(&gradient[rows.start * windows.output[1]..], out_group, width, count);
            columns.resize(depth * width, T::zero());
            product(columns, width, false, T::one(), weight, gradient, false);
            places.scatter(columns, &rows, phases);
        }
        places.together(phases, input);
    });
    input
}

/// A matrix without gaps between its rows.
fn row_major<T>(data: &[T], rows: usize, columns: usize) -> Matrix<'_, T> {
    Matrix::new(data, rows, columns, columns)
}

/// Samples are summed in at most this many parts, whatever the number of threads, and the parts in order.
const PARTS: usize = 8;

fn cpu_weight_gradient<T: Real>(input: &[T], gradient: &[T], plan: &Plan) -> Vec<T> {
    let windows = &plan.windows;
    let (count, depth, out_group) = (windows.output_plane(), plan.depth(), plan.out_group());
    let (in_size, out_size) = (plan.in_group() * windows.input_plane(), out_group * count);
    let part_size = plan.batch.div_ceil(PARTS).max(1);
    let parts = plan.batch.div_ceil(part_size);
    let sums: Vec<Vec<T>> = (0..plan.groups * parts)
        .into_par_iter()
        .map(|task| {
            let (group, part) = (task / parts, task % parts);
            let mut sum = vec![T::zero(); out_group * depth];
            let (mut phases, mut columns) = (Vec::new(), Vec::new());
            let places = Phases::new(windows, plan.in_group());
            for sample in part * part_size..((part + 1) * part_size).min(plan.batch) {
                let index = sample * plan.groups + group;
                let input = &input[index * in_size..(index + 1) * in_size];
                let gradient = &gradient[index * out_size..(index + 1) * out_size];
                if plan.depthwise() {
                    for (sum, gradient) in sum.chunks_mut(depth).zip(gradient.chunks(count)) {
                        windows.for_each_run(|tap, at, from, length| {
                            sum[tap] += dot_strided(&gradient[at..at + length], &input[from..], windows.stride[1]);
                        });
                    }
                    continue;
                }
                if plan.pointwise() {
                    let (gradient, input) = (row_major(gradient, out_group, count), row_major(input, depth, count));
                    product(&mut sum, depth, true, T::one(), gradient, input.transposed(), false);
                    continue;
                }
                places.apart(input, &mut phases);
                for rows in places.blocks() {
                    places.gather(&phases, &rows, &mut columns);
                    let width = rows.len() * windows.output[1];
                    let gradient = Matrix::new(&gradient[rows.start * windows.output[1]..], out_group, width, count);
                    let columns = row_major(&columns, depth, width).transposed();
                    product(&mut sum, depth, true, T::one(), gradient, columns, false);
                }
            }
            sum
        })
        .collect();
    let mut weight = vec![T::zero(); plan.out_channels * depth];
    if parts > 0 {
        for (weight, sums) in weight.chunks_mut(out_group * depth).zip(sums.chunks(parts)) {
            for sum in sums {
                weight.iter_mut().zip(sum).for_each(|(weight, part)| *weight += *part);
            }
        }
    }
    weight
}

/// The sum of `left[i] * right[i * stride]`, in eight lanes so that the loop can be vectorised.
fn dot_strided<T: Real>(left: &[T], right: &[T], stride: usize) -> T {
    if stride != 1 {
        return left.iter().zip(right.iter().step_by(stride)).fold(T::zero(), |sum, (a, b)| sum + *a * *b);
    }
    let right = &right[..left.len()];
    let mut lanes = [T::zero(); 8];
    let (left_lanes, right_lanes) = (left.chunks_exact(8), right.chunks_exact(8));
    let rest = left_lanes.remainder().iter().zip(right_lanes.remainder()).fold(T::zero(), |sum, (a, b)| sum + *a * *b);
    for (a, b) in left_lanes.zip(right_lanes) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.into_iter().fold(rest, |sum, lane| sum + lane)
}

/// The same three products of plain operations, for devices without kernels of our own.
pub(super) mod composed {
    use super::{Plan, Result, Value};

    /// Windows as `[batch, groups, depth, windows]`.
    fn columns(input: &Value, plan: &Plan) -> Result<Value> {
        let planes = input.contiguous()?.reshape((plan.batch * plan.in_channels, plan.windows.input_plane()))?;
        let columns = plan.windows.gathered(&planes, 0.0)?;
        Ok(columns.reshape((plan.batch, plan.groups, plan.depth(), plan.windows.output_plane()))?)
    }

    fn grouped(gradient: &Value, plan: &Plan) -> Result<Value> {
        let shape = (plan.batch, plan.groups, plan.out_group(), plan.windows.output_plane());
        Ok(gradient.contiguous()?.reshape(shape)?)
    }

    fn grouped_weight(weight: &Value, plan: &Plan) -> Result<Value> {
        Ok(weight.contiguous()?.reshape((1, plan.groups, plan.out_group(), plan.depth()))?)
    }

    pub(in super::super) fn forward(input: &Value, weight: &Value, plan: &Plan) -> Result<Value> {
        let output = grouped_weight(weight, plan)?.broadcast_matmul(&columns(input, plan)?)?;
        Ok(output.reshape(&plan.output_dims())?)
    }

    pub(in super::super) fn input_gradient(gradient: &Value, weight: &Value, plan: &Plan) -> Result<Value> {
        let weight = grouped_weight(weight, plan)?.transpose(2, 3)?;
        let columns = weight.broadcast_matmul(&grouped(gradient, plan)?)?;
        let planes = plan.batch * plan.in_channels;
        let columns = columns.reshape((planes, plan.windows.taps(), plan.windows.output_plane()))?;
        Ok(plan.windows.scattered(&columns)?.reshape(&plan.input_dims())?)
    }

    pub(in super::super) fn weight_gradient(input: &Value, gradient: &Value, plan: &Plan) -> Result<Value> {
        let columns = columns(input, plan)?.transpose(2, 3)?.contiguous()?;
        let weight = grouped(gradient, plan)?.matmul(&columns)?.sum(0)?;
        Ok(weight.reshape(&plan.weight_dims())?)
    }
}

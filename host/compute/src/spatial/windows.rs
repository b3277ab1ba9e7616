//! Windows: which input elements each output element of a convolution or pool looks at.

use std::ops::Range;

use crate::{Error, Result, Value};

/// The sizes of one convolution or pool over `[height, width]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    pub(super) input: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) padding: [usize; 2],
    pub(super) dilation: [usize; 2],
    pub(super) output: [usize; 2],
}

impl Windows {
    /// Sizes with the output that follows from them: `(n + 2·padding − dilation·(kernel − 1) − 1) / stride + 1` on each axis.
    /// Inputs left over at the end belong to no window.
    pub(super) fn new(
        name: &'static str,
        input: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        dilation: [usize; 2],
    ) -> Result<Self> {
        for (what, values) in [("kernel", kernel), ("stride", stride), ("dilation", dilation)] {
            if values.contains(&0) {
                return Err(Error::argument(name, format!("the {what} is 0; it must be 1 or more")));
            }
        }
        let mut output = [0; 2];
        for axis in 0..2 {
            let reach = dilation[axis] * (kernel[axis] - 1) + 1;
            let padded = input[axis] + 2 * padding[axis];
            if padded < reach {
                let fact = format!(
                    "a window of {reach} does not fit the padded length {padded} (kernel {kernel:?}, input {input:?})"
                );
                return Err(Error::shape(name, fact).with_help("use a smaller kernel or dilation, or more padding"));
            }
            output[axis] = (padded - reach) / stride[axis] + 1;
        }
        Ok(Self { input, kernel, stride, padding, dilation, output })
    }

    /// Elements of one input plane.
    pub(super) fn input_plane(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Elements of one output plane: the number of windows.
    pub(super) fn output_plane(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Elements of one window.
    pub(super) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The position on `axis` that tap `tap` of output 0 looks at; negative inside the padding.
    fn offset(&self, axis: usize, tap: usize) -> isize {
        (tap * self.dilation[axis]) as isize - self.padding[axis] as isize
    }

    /// The outputs whose tap lies inside the input, and the input position of the first of them.
    fn inside(&self, axis: usize, tap: usize) -> (Range<usize>, usize) {
        let (offset, stride) = (self.offset(axis, tap), self.stride[axis]);
        let first = if offset < 0 { offset.unsigned_abs().div_ceil(stride) } else { 0 };
        let room = self.input[axis] as isize - offset;
        let end = if room <= 0 { 0 } else { room.unsigned_abs().div_ceil(stride).min(self.output[axis]) };
        let first = first.min(end);
        let start = (first * stride) as isize + offset;
        (first..end, if first < end { start.unsigned_abs() } else { 0 })
    }

    /// Calls `visit(tap, first_output, first_input, count)` for every run of outputs in a row whose tap is inside the
    /// input; consecutive outputs are `stride[1]` inputs apart.
    pub(super) fn for_each_run(&self, mut visit: impl FnMut(usize, usize, usize, usize)) {
        self.for_each_run_in(&(0..self.output[0]), |tap, output, row, column, count| {
            visit(tap, output, row * self.input[1] + column, count);
        });
    }

    /// As [`Windows::for_each_run`] for the rows `wanted` of outputs only, with row and column of the first input:
    /// `visit(tap, first_output, input_row, input_column, count)`.
    pub(super) fn for_each_run_in(
        &self,
        wanted: &Range<usize>,
        mut visit: impl FnMut(usize, usize, usize, usize, usize),
    ) {
        for tap_row in 0..self.kernel[0] {
            let (rows, first_row) = self.inside(0, tap_row);
            let skipped = wanted.start.saturating_sub(rows.start);
            let (rows, first_row) =
                (rows.start + skipped..rows.end.min(wanted.end), first_row + skipped * self.stride[0]);
            for tap_column in 0..self.kernel[1] {
                let tap = tap_row * self.kernel[1] + tap_column;
                let (columns, first_column) = self.inside(1, tap_column);
                if columns.is_empty() {
                    continue;
                }
                for (step, row) in rows.clone().enumerate() {
                    let input_row = first_row + step * self.stride[0];
                    visit(tap, row * self.output[1] + columns.start, input_row, first_column, columns.len());
                }
            }
        }
    }

    /// For each tap and each window the element of the input plane it looks at; padding is `input_plane()`, one past the
    /// end. `[taps * output_plane]`, for devices without kernels of our own.
    pub(super) fn indices(&self) -> Vec<u32> {
        let mut indices = vec![self.input_plane() as u32; self.taps() * self.output_plane()];
        self.for_each_run(|tap, output, input, count| {
            for step in 0..count {
                indices[tap * self.output_plane() + output + step] = (input + step * self.stride[1]) as u32;
            }
        });
        indices
    }

    /// All windows of each plane by plain operations: `[planes, input_plane]` to `[planes, taps, windows]`; padding reads `fill`.
    pub(super) fn gathered(&self, planes: &Value, fill: f64) -> Result<Value> {
        let count = planes.dim(0)?;
        let edge = (Value::ones((count, 1), planes.dtype(), planes.device())? * fill)?;
        let indices = Value::from_vec(self.indices(), self.taps() * self.output_plane(), planes.device())?;
        let padded = Value::cat(&[planes, &edge], 1)?;
        Ok(padded.index_select(&indices, 1)?.reshape((count, self.taps(), self.output_plane()))?)
    }

    /// The adjoint of [`Windows::gathered`]: sums `[planes, taps, windows]` back to `[planes, input_plane]`.
    pub(super) fn scattered(&self, windows: &Value) -> Result<Value> {
        let count = windows.dim(0)?;
        let indices = Value::from_vec(self.indices(), self.taps() * self.output_plane(), windows.device())?;
        let zeros = Value::zeros((count, self.input_plane() + 1), windows.dtype(), windows.device())?;
        let flat = windows.reshape((count, self.taps() * self.output_plane()))?.contiguous()?;
        Ok(zeros.index_add(&indices, &flat, 1)?.narrow(1, 0, self.input_plane())?)
    }
}

//! Windows of a sample as columns of a matrix, some rows of outputs at a time, so that they stay in the cache between
//! being gathered and being multiplied.
//!
//! With a stride along the width, inputs are first put apart by their place modulo the stride: each tap then reads and
//! writes elements in a row.

use std::ops::Range;

use super::windows::Windows;
use crate::kernel::{Real, add_into};

/// Windows of one block, about.
const BLOCK: usize = 256;

/// The planes of one sample and group, put apart by columns modulo the stride: `[channel, row, phase, column / stride]`.
pub(super) struct Phases<'a> {
    windows: &'a Windows,
    channels: usize,
}

impl<'a> Phases<'a> {
    pub(super) fn new(windows: &'a Windows, channels: usize) -> Self {
        Self { windows, channels }
    }

    /// Elements of a row of one phase.
    fn width(&self) -> usize {
        self.windows.input[1].div_ceil(self.windows.stride[1])
    }

    /// Elements of a row of all phases.
    fn row(&self) -> usize {
        self.width() * self.windows.stride[1]
    }

    /// The input `[channels, plane]` put apart.
    pub(super) fn apart<T: Real>(&self, input: &[T], phases: &mut Vec<T>) {
        let (stride, width) = (self.windows.stride[1], self.width());
        self.zeros(phases);
        for (row, phases) in input.chunks(self.windows.input[1]).zip(phases.chunks_mut(self.row())) {
            for (phase, out) in phases.chunks_mut(width).enumerate() {
                out.iter_mut().zip(row[phase.min(row.len())..].iter().step_by(stride)).for_each(|(out, x)| *out = *x);
            }
        }
    }

    /// Phases of zeros.
    pub(super) fn zeros<T: Real>(&self, phases: &mut Vec<T>) {
        phases.clear();
        phases.resize(self.channels * self.windows.input[0] * self.row(), T::zero());
    }

    /// The adjoint of [`Phases::apart`]: writes all of `input`.
    pub(super) fn together<T: Real>(&self, phases: &[T], input: &mut [T]) {
        let (stride, width) = (self.windows.stride[1], self.width());
        for (row, phases) in input.chunks_mut(self.windows.input[1]).zip(phases.chunks(self.row())) {
            for (phase, from) in phases.chunks(width).enumerate() {
                let start = phase.min(row.len());
                row[start..].iter_mut().step_by(stride).zip(from).for_each(|(out, x)| *out = *x);
            }
        }
    }

    /// Blocks of output rows.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let [rows, width] = self.windows.output;
        let step = (BLOCK / width.max(1)).max(1);
        (0..rows).step_by(step).map(move |first| first..rows.min(first + step))
    }

    /// Windows of the output rows `rows` as columns `[channels * taps, windows]`.
    pub(super) fn gather<T: Real>(&self, phases: &[T], rows: &Range<usize>, columns: &mut Vec<T>) {
        let (taps, count) = (self.windows.taps(), rows.len() * self.windows.output[1]);
        columns.clear();
        columns.resize(self.channels * taps * count, T::zero());
        for (channel, plane) in phases.chunks(self.windows.input[0] * self.row()).enumerate() {
            self.runs(rows, |tap, output, from, length| {
                let start = (channel * taps + tap) * count + output;
                columns[start..start + length].copy_from_slice(&plane[from..from + length]);
            });
        }
    }

    /// The adjoint of [`Phases::gather`]: adds columns to the elements they came from.
    pub(super) fn scatter<T: Real>(&self, columns: &[T], rows: &Range<usize>, phases: &mut [T]) {
        let (taps, count) = (self.windows.taps(), rows.len() * self.windows.output[1]);
        for (channel, plane) in phases.chunks_mut(self.windows.input[0] * self.row()).enumerate() {
            self.runs(rows, |tap, output, to, length| {
                let start = (channel * taps + tap) * count + output;
                add_into(&mut plane[to..to + length], &columns[start..start + length]);
            });
        }
    }

    /// Calls `visit(tap, output, place among the phases, count)` for every run of outputs in the rows `rows` whose tap is
    /// inside the input; outputs are counted from the first of those rows.
    fn runs(&self, rows: &Range<usize>, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let windows = self.windows;
        let width = windows.output[1];
        windows.for_each_run_in(rows, |tap, output, input_row, input_column, count| {
            let (phase, column) = (input_column % windows.stride[1], input_column / windows.stride[1]);
            let place = input_row * self.row() + phase * self.width() + column;
            visit(tap, output - rows.start * width, place, count);
        });
    }
}

//! One launch of a kernel: values in, new values out.

use candle_core::DType;

use super::calls::{Call, Pointer};
use super::modules::Module;
use crate::{Error, Result, Value};

/// Threads of a block that go over columns.
const COLUMNS: usize = 256;
/// The largest second axis of a grid; kernels stride over more.
const MOST_ROWS: usize = 65_535;
/// Rows of a block in kernels with one warp for each row.
const ROWS: usize = 8;

/// Which kernel, for which type of elements, over which grid.
pub(super) struct Launch<'a> {
    #[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "the emulation finds kernels by name alone"))]
    pub(super) module: Module,
    pub(super) name: &'a str,
    pub(super) elements: DType,
    /// Blocks along each axis. Without any, nothing runs and outputs are zeros.
    pub(super) grid: [usize; 2],
    /// Threads of a block along each axis.
    pub(super) block: [usize; 2],
    /// Numbers of the computing type in a block's shared memory.
    pub(super) shared: usize,
}

/// A value that the kernel makes.
#[derive(Clone)]
pub(super) struct Output {
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
    /// The kernel does not write every element: begin with zeros.
    pub(super) zeroed: bool,
}

impl Output {
    pub(super) fn new(dtype: DType, shape: &[usize]) -> Self {
        Self { dtype, shape: shape.to_vec(), zeroed: false }
    }

    /// The shape and dtype of `value`.
    pub(super) fn like(value: &Value) -> Self {
        Self::new(value.dtype(), value.dims())
    }
}

impl<'a> Launch<'a> {
    /// A warp for each row.
    pub(super) fn by_warps(module: Module, name: &'a str, elements: DType, rows: usize) -> Self {
        Self { module, name, elements, grid: [rows.div_ceil(ROWS), 1], block: [32, ROWS], shared: 0 }
    }

    /// A thread for each column, blocks over rows.
    pub(super) fn by_columns(module: Module, name: &'a str, elements: DType, rows: usize, width: usize) -> Self {
        let threads = width.next_multiple_of(32).min(COLUMNS);
        let grid = [width.div_ceil(threads), rows.min(MOST_ROWS)];
        Self { module, name, elements, grid, block: [threads, 1], shared: 0 }
    }

    /// A block for each row, with one number of shared memory for each warp.
    pub(super) fn by_blocks(module: Module, name: &'a str, elements: DType, rows: usize) -> Self {
        Self { module, name, elements, grid: [rows, 1], block: [COLUMNS, 1], shared: COLUMNS / 32 }
    }

    /// Runs it. `call` makes the arguments from the addresses of inputs and outputs, 0 for those that are absent; inputs
    /// are made contiguous first. The first input is present and says the device.
    pub(super) fn run<C: Call, const I: usize, const O: usize>(
        &self,
        inputs: [Option<&Value>; I],
        outputs: [Option<Output>; O],
        call: impl FnOnce([Pointer; I], [Pointer; O]) -> C,
    ) -> Result<[Option<Value>; O]> {
        let fault = |fact: String| Error::Device { operation: "kernel", fact };
        let mut held = Vec::with_capacity(I);
        for input in inputs {
            held.push(input.map(Value::contiguous).transpose()?);
        }
        let device =
            held[0].as_ref().ok_or_else(|| fault(format!("{} has no first input", self.name)))?.device().clone();
        if self.grid.contains(&0) {
            let zeros = |output: Option<Output>| -> Result<Option<Value>> {
                Ok(output.map(|output| Value::zeros(output.shape, output.dtype, &device)).transpose()?)
            };
            return collected(outputs.into_iter().map(zeros));
        }
        if self.grid[1] > MOST_ROWS || u32::try_from(self.grid[0]).is_err() {
            return Err(fault(format!(
                "{} over a grid of {:?} blocks is more than a device takes",
                self.name, self.grid
            )));
        }
        match &device {
            #[cfg(feature = "cuda")]
            candle_core::Device::Cuda(device) => super::device::run(self, device, &held, outputs, call),
            #[cfg(feature = "cuda-emulation")]
            candle_core::Device::Cpu => super::emulated::run(self, &held, outputs, call),
            other => Err(fault(format!("{} can't run on {:?}", self.name, other.location()))),
        }
    }

    /// Runs it for its one output.
    pub(super) fn run_one<C: Call, const I: usize>(
        &self,
        inputs: [Option<&Value>; I],
        output: Output,
        call: impl FnOnce([Pointer; I], Pointer) -> C,
    ) -> Result<Value> {
        let [made] = self.run(inputs, [Some(output)], |from, [to]| call(from, to))?;
        Ok(made.expect("an output that was asked for"))
    }

    /// Bytes of a block's shared memory.
    #[cfg(any(feature = "cuda", feature = "cuda-emulation"))]
    pub(super) fn shared_bytes(&self) -> usize {
        self.shared * super::real(self.elements).size_in_bytes()
    }
}

/// Results in an array.
pub(super) fn collected<T, const N: usize>(results: impl Iterator<Item = Result<T>>) -> Result<[T; N]> {
    let all: Vec<T> = results.collect::<Result<_>>()?;
    all.try_into().map_err(|_| Error::Device { operation: "kernel", fact: "outputs were lost on the way".to_owned() })
}

/// The most bytes of shared memory that a block may have.
pub(super) fn shared_limit(value: &Value) -> Result<usize> {
    match value.device() {
        #[cfg(feature = "cuda")]
        candle_core::Device::Cuda(device) => super::device::shared_limit(device),
        // As on the smallest devices of compute capability 8.
        _ => Ok(99 * 1024),
    }
}

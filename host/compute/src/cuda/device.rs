//! Launches on a CUDA device, through the stream that candle uses for it.

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::sys::{CUdevice_attribute, CUfunction_attribute_enum};
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DeviceRepr, LaunchConfig, PushKernelArg, SyncOnDrop,
    ValidAsZeroBits,
};
use candle_core::cuda_backend::{CudaDType, CudaStorageSlice};
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, CudaStorage, Storage};

use super::calls::{Call, Pointer};
use super::launch::{Launch, Output, collected};
use crate::{Error, Result, Value};

/// Shared memory that a kernel may have without asking.
const FREE_SHARED: usize = 48 * 1024;

fn fault(name: &str, error: impl std::fmt::Display) -> Error {
    Error::Device { operation: "kernel", fact: format!("CUDA kernel `{name}`: {error}") }
}

pub(super) fn run<C: Call, const I: usize, const O: usize>(
    launch: &Launch,
    device: &CudaDevice,
    inputs: &[Option<Value>],
    outputs: [Option<Output>; O],
    call: impl FnOnce([Pointer; I], [Pointer; O]) -> C,
) -> Result<[Option<Value>; O]> {
    let stream = device.cuda_stream();
    let (module, ptx) = launch.module.ptx(launch.elements);
    let function = device.get_or_load_custom_func(launch.name, &module, ptx)?;
    let shared = launch.shared_bytes();
    if shared > FREE_SHARED {
        let attribute = CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        function.set_attribute(attribute, shared as i32).map_err(|error| fault(launch.name, error))?;
    }
    let mut storages = Vec::with_capacity(O);
    for output in &outputs {
        storages.push(output.as_ref().map(|output| allocated(device, output)).transpose()?);
    }
    let held: Vec<_> = inputs.iter().map(|input| input.as_ref().map(Value::storage_and_layout)).collect();
    // Dropping these records that the launch used what they point to.
    let mut uses = Vec::with_capacity(I + O);
    let mut from = [0; I];
    for (place, held) in from.iter_mut().zip(&held) {
        let Some((storage, layout)) = held else { continue };
        let Storage::Cuda(storage) = &**storage else {
            return Err(fault(launch.name, "an input lives on another device"));
        };
        let (start, used) = address(storage, &stream)?;
        *place = start + (layout.start_offset() * storage.dtype().size_in_bytes()) as u64;
        uses.push(used);
    }
    let mut to = [0; O];
    for (place, storage) in to.iter_mut().zip(&mut storages) {
        let Some(storage) = storage else { continue };
        let (start, used) = address_mut(storage, &stream)?;
        *place = start;
        uses.push(used);
    }
    let call = call(from, to);
    let config = LaunchConfig {
        grid_dim: (launch.grid[0] as u32, launch.grid[1] as u32, 1),
        block_dim: (launch.block[0] as u32, launch.block[1] as u32, 1),
        shared_mem_bytes: shared as u32,
    };
    let mut builder = function.builder();
    builder.arg(&call);
    // SAFETY: `Call` promises the kernel's argument type; the addresses are those of values held above, whose shapes the
    // caller put into `call`; outputs are new, so nobody else reads or writes them.
    unsafe { builder.launch(config) }.map_err(|error| fault(launch.name, error))?;
    drop(uses);
    let made = storages.into_iter().zip(outputs).map(|(storage, output)| {
        let pair = storage.zip(output);
        Ok(pair.map(|(storage, output)| {
            Value::from_storage(Storage::Cuda(storage), output.shape, BackpropOp::none(), false)
        }))
    });
    collected(made)
}

/// The most bytes of shared memory that a block may ask for.
pub(super) fn shared_limit(device: &CudaDevice) -> Result<usize> {
    let attribute = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
    let bytes = device.cuda_stream().context().attribute(attribute);
    Ok(bytes.map_err(|error| fault("shared memory", error))?.max(0) as usize)
}

fn allocated(device: &CudaDevice, output: &Output) -> Result<CudaStorage> {
    let count = output.shape.iter().product();
    match output.dtype {
        candle_core::DType::F32 => allocated_as::<f32>(device, count, output.zeroed),
        candle_core::DType::F64 => allocated_as::<f64>(device, count, output.zeroed),
        candle_core::DType::BF16 => allocated_as::<half::bf16>(device, count, output.zeroed),
        candle_core::DType::F16 => allocated_as::<half::f16>(device, count, output.zeroed),
        other => Err(fault("allocation", format!("{other:?} is no type of results"))),
    }
}

fn allocated_as<T: CudaDType + DeviceRepr + ValidAsZeroBits>(
    device: &CudaDevice,
    count: usize,
    zeroed: bool,
) -> Result<CudaStorage> {
    let slice: CudaSlice<T> = if zeroed {
        device.alloc_zeros(count)?
    } else {
        // SAFETY: the kernel writes every element before anything reads it (`Output::zeroed` is for those that don't).
        unsafe { device.alloc(count)? }
    };
    Ok(CudaStorage::wrap_cuda_slice(slice, device.clone()))
}

/// Calls a method on the slice that a storage holds, whatever its type.
macro_rules! on_slice {
    ($slice:expr, $inner:ident => $body:expr) => {
        match $slice {
            CudaStorageSlice::U8($inner) => Ok($body),
            CudaStorageSlice::U32($inner) => Ok($body),
            CudaStorageSlice::I64($inner) => Ok($body),
            CudaStorageSlice::BF16($inner) => Ok($body),
            CudaStorageSlice::F16($inner) => Ok($body),
            CudaStorageSlice::F32($inner) => Ok($body),
            CudaStorageSlice::F64($inner) => Ok($body),
            _ => Err(fault("input", "its type of elements is none that kernels take")),
        }
    };
}

fn address<'a>(storage: &'a CudaStorage, stream: &'a CudaStream) -> Result<(Pointer, SyncOnDrop<'a>)> {
    on_slice!(&storage.slice, slice => slice.device_ptr(stream))
}

fn address_mut<'a>(storage: &'a mut CudaStorage, stream: &'a CudaStream) -> Result<(Pointer, SyncOnDrop<'a>)> {
    on_slice!(&mut storage.slice, slice => slice.device_ptr_mut(stream))
}

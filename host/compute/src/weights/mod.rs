//! Weights as slots: a model holds handles, and each use resolves the slot under the current call.
//!
//! A [`Weight`] keeps a master value in single precision. What a model computes with follows from a [`Resolve`]: in which
//! precision, with the weight's views or without, the running average instead of the value, with a gradient or not. So
//! adapters, pruning masks, tied embeddings and averages work on any model without its knowledge.

mod buffer;
mod init;
mod state;
#[cfg(test)]
mod tests;
mod views;
mod watch;
mod weight;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

pub use buffer::{Buffer, BufferUpdate};
pub use init::Init;
pub use state::{LoadReport, Saved};
pub use views::{View, ViewCallback};
pub use watch::GradientWatch;
pub use weight::{Resolve, Weight, WeightOptions};

use crate::{DType, Device, Error, Result};

/// The weights and buffers of one run, in the order they were created.
#[derive(Debug)]
pub struct Weights {
    seed: u64,
    dtype: DType,
    device: Device,
    store: RwLock<Store>,
}

#[derive(Debug, Default)]
struct Store {
    weights: Vec<Arc<Weight>>,
    buffers: Vec<Arc<Buffer>>,
    names: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Weight(usize),
    Buffer(usize),
}

impl Weights {
    /// An empty store with masters in f32; `seed` is the run's, from which initial values are drawn by name.
    #[must_use]
    pub fn new(seed: u64, device: &Device) -> Self {
        Self::with_dtype(seed, device, DType::F32)
    }

    /// An empty store with masters of another floating type: f64 for tests against finite differences.
    #[must_use]
    pub fn with_dtype(seed: u64, device: &Device, dtype: DType) -> Self {
        Self { seed, dtype, device: device.clone(), store: RwLock::default() }
    }

    /// The type of master values.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where values live.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn read<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.store.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Creates a weight with initial values drawn from the seed and its name.
    ///
    /// # Errors
    /// When the name is taken or the initialisation does not suit the shape.
    pub fn create(&self, name: &str, shape: &[usize], init: Init, options: WeightOptions) -> Result<Arc<Weight>> {
        if !options.axes.is_empty() && options.axes.len() != shape.len() {
            let fact =
                format!("`{name}` has shape {shape:?} but {} axis names: {:?}", options.axes.len(), options.axes);
            return Err(Error::argument("create_weight", fact));
        }
        let mut guard = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let store = &mut *guard;
        vacant(store, "create_weight", name)?;
        let value = init.value(name, shape, self.seed, self.dtype, &self.device)?;
        let weight = Weight::new(name, value, options);
        store.names.insert(name.to_owned(), Entry::Weight(store.weights.len()));
        store.weights.push(weight.clone());
        Ok(weight)
    }

    /// Creates a weight that shares the slot of `owner` from the start: one value, one gradient, saved once.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn create_tied(&self, name: &str, owner: &Arc<Weight>) -> Result<Arc<Weight>> {
        let mut guard = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let store = &mut *guard;
        vacant(store, "create_weight", name)?;
        let weight = Weight::tied(name, owner);
        store.names.insert(name.to_owned(), Entry::Weight(store.weights.len()));
        store.weights.push(weight.clone());
        Ok(weight)
    }

    /// Creates a buffer: state that no gradient reaches, saved with the weights. Its initial values are drawn like theirs.
    ///
    /// # Errors
    /// When the name is taken or the initialisation does not suit shape or dtype.
    pub fn create_buffer(&self, name: &str, shape: &[usize], dtype: DType, init: Init) -> Result<Arc<Buffer>> {
        let mut guard = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let store = &mut *guard;
        vacant(store, "create_buffer", name)?;
        let value = init.value(name, shape, self.seed, dtype, &self.device)?;
        let buffer = Arc::new(Buffer::new(name, dtype, value));
        store.names.insert(name.to_owned(), Entry::Buffer(store.buffers.len()));
        store.buffers.push(buffer.clone());
        Ok(buffer)
    }

    /// The weight of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Weight>> {
        self.read(|store| match store.names.get(name) {
            Some(Entry::Weight(index)) => Some(store.weights[*index].clone()),
            _ => None,
        })
    }

    /// The buffer of this name.
    #[must_use]
    pub fn buffer(&self, name: &str) -> Option<Arc<Buffer>> {
        self.read(|store| match store.names.get(name) {
            Some(Entry::Buffer(index)) => Some(store.buffers[*index].clone()),
            _ => None,
        })
    }

    /// All weights in order of creation, tied ones included.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Weight>> {
        self.read(|store| store.weights.clone())
    }

    /// The weights that own their slot, in order of creation: each value once.
    #[must_use]
    pub fn owners(&self) -> Vec<Arc<Weight>> {
        self.all().into_iter().filter(|weight| !weight.is_tied()).collect()
    }

    /// The owners that are trained.
    #[must_use]
    pub fn trainable(&self) -> Vec<Arc<Weight>> {
        self.owners().into_iter().filter(|weight| weight.trainable()).collect()
    }

    /// All buffers in order of creation.
    #[must_use]
    pub fn buffers(&self) -> Vec<Arc<Buffer>> {
        self.read(|store| store.buffers.clone())
    }

    /// Numbers in all slots: the size of the model, ties counted once.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.owners().iter().map(|weight| weight.shape().iter().product::<usize>()).sum()
    }
}

fn vacant(store: &Store, operation: &'static str, name: &str) -> Result<()> {
    match store.names.get(name) {
        None if !name.is_empty() => Ok(()),
        None => Err(Error::argument(operation, "the name is empty")),
        Some(entry) => {
            let (what, shape) = match entry {
                Entry::Weight(index) => ("weight", store.weights[*index].shape().to_vec()),
                Entry::Buffer(index) => ("buffer", store.buffers[*index].shape().to_vec()),
            };
            let fact =
                format!("there is a {what} `{name}` of shape {shape:?} already; give each its own name, or tie them");
            Err(Error::argument(operation, fact))
        }
    }
}

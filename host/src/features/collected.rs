//! Tensors that grow batch by batch and are written as one file.

use std::collections::BTreeMap;
use std::path::Path;

use records::{Dtype, TensorBytes, write_tensors};

use super::run::Features;
use crate::error::Result;

/// What a model made of the samples so far, by name: shape and f32 elements, samples first.
#[derive(Default)]
pub(super) struct Collected(BTreeMap<&'static str, (Vec<usize>, Vec<f32>)>);

impl Collected {
    /// Adds the elements of a batch, whose shape is `dims`; all but the first are the same in each batch.
    pub(super) fn add(&mut self, name: &'static str, dims: &[usize], values: Vec<f32>) {
        let (shape, all) = self.0.entry(name).or_default();
        match shape.first_mut() {
            Some(samples) => *samples += dims[0],
            None => *shape = dims.to_vec(),
        }
        all.extend(values);
    }

    /// Writes all of it; `tokens` is how many rows the model saw.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(self, output: &Path, tokens: usize) -> Result<Features> {
        let tensor = |(name, (shape, values)): (&str, (Vec<usize>, Vec<f32>))| TensorBytes {
            name: name.to_owned(),
            dtype: Dtype::F32,
            shape,
            bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        };
        let tensors: Vec<TensorBytes> = self.0.into_iter().map(tensor).collect();
        write_tensors(output, &tensors, &BTreeMap::from([("format".to_owned(), "pt".to_owned())]))?;
        let tensors = tensors.into_iter().map(|tensor| (tensor.name, tensor.shape)).collect();
        Ok(Features { tensors, tokens })
    }
}

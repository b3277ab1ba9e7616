//! The gradients between backward and clip, as a plugin reads and replaces them.

use std::sync::{Mutex, PoisonError};

use compute::weights::Weight;
use compute::{Gradients, Tensor};

use crate::error::{Error, Result};

/// The gradients of a step while a plugin looks at them.
pub struct GradientAccess(Mutex<Option<Gradients>>);

impl GradientAccess {
    pub(super) fn new(gradients: Gradients) -> Self {
        Self(Mutex::new(Some(gradients)))
    }

    /// The gradients back; whoever keeps the handle finds them gone.
    pub(super) fn take(&self) -> Gradients {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    pub(super) fn get(&self, weight: &Weight) -> Result<Option<Tensor>> {
        let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gradients = guard.as_ref().ok_or_else(gone)?;
        Ok(gradients.get(&weight.leaf()).cloned().map(Tensor::constant))
    }

    pub(super) fn set(&self, weight: &Weight, gradient: Option<&Tensor>) -> Result<()> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gradients = guard.as_mut().ok_or_else(gone)?;
        let Some(gradient) = gradient else {
            gradients.take(&weight.leaf());
            return Ok(());
        };
        if gradient.dims() != weight.shape() {
            let text = format!(
                "the gradient {:?} is not of the shape {:?} of `{}`",
                gradient.dims(),
                weight.shape(),
                weight.name()
            );
            return Err(Error::new("plugin/shape", text));
        }
        let master = weight.value();
        let value = gradient.value().to_dtype(master.dtype()).map_err(compute::Error::from)?;
        gradients.set(&weight.leaf(), value);
        Ok(())
    }
}

fn gone() -> Error {
    Error::new("plugin/gradients", "the gradients are read after the call that lent them")
}

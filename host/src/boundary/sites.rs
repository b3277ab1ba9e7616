//! Listeners at the named points that a model passes its tensors through.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute::Tensor;

use crate::error::Result;

/// Somebody who looks at a site; called on the step thread, without locks held.
pub trait Listener: Send + Sync {
    /// Sees the tensor of `site` of the model in `role`; `Some` replaces it.
    ///
    /// # Errors
    /// Whatever fails the call.
    fn at(&self, role: &str, site: &str, tensor: &Tensor) -> Result<Option<Tensor>>;
}

/// Listeners by role and site, called in the order they were added.
#[derive(Clone, Default)]
pub struct Listeners(BTreeMap<String, Vec<Arc<dyn Listener>>>);

impl Listeners {
    /// Adds a listener at `site` (`layers.3.output`) of the model in `role`.
    pub fn add(&mut self, role: &str, site: &str, listener: Arc<dyn Listener>) {
        self.0.entry(name(role, site)).or_default().push(listener);
    }

    /// Those at a site.
    #[must_use]
    pub fn at(&self, role: &str, site: &str) -> &[Arc<dyn Listener>] {
        if self.0.is_empty() {
            return &[];
        }
        self.0.get(&name(role, site)).map_or(&[], Vec::as_slice)
    }
}

fn name(role: &str, site: &str) -> String {
    format!("{role}/{site}")
}

//! Listeners at the named points that a model passes its tensors through.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute::Tensor;

use crate::error::{Error, Result};

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
    /// Adds a listener at `site` of the model in `role`: one that the family names (`layers.3.output`), or `heads.KIND`, the
    /// rows that reach a head.
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

    /// Shows `tensor` to those at a site, one after the other; what they put in its place, `None` where nobody did.
    ///
    /// # Errors
    /// A listener's own, or `site/shape` where one changes the shape.
    pub fn pass(&self, role: &str, site: &str, tensor: &Tensor) -> Result<Option<Tensor>> {
        let mut replaced: Option<Tensor> = None;
        for listener in self.at(role, site) {
            if let Some(other) = listener.at(role, site, replaced.as_ref().unwrap_or(tensor))? {
                replaced = Some(other);
            }
        }
        match replaced.as_ref().filter(|other| other.dims() != tensor.dims()) {
            Some(other) => {
                let text = format!("a listener at `{site}` gives {:?} for {:?}", other.dims(), tensor.dims());
                Err(Error::new("site/shape", text).with_help("a listener keeps the shape"))
            }
            None => Ok(replaced),
        }
    }
}

fn name(role: &str, site: &str) -> String {
    format!("{role}/{site}")
}

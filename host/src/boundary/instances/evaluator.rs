//! An evaluator: the instance of a plugin that measures models.

use std::sync::Arc;

use lacuna_abi::{Bytes, CollateCall, Evaluator, LossCall};

use super::{Instance, called, callee, figures};
use crate::boundary::call::Call;
use crate::boundary::collation::{Collation, Collator};
use crate::boundary::frame::Callee;
use crate::boundary::items::Items;
use crate::boundary::loss::{LossCollector, LossResult};
use crate::boundary::object::{Content, Object};
use crate::boundary::provider::{self, Provider};
use crate::boundary::scope::{Context, Scope};
use crate::error::{Error, Result};

/// An evaluator of an experiment.
pub struct EvaluatorInstance {
    name: String,
    callee: Callee,
    table: &'static Evaluator,
    instance: Instance,
}

impl EvaluatorInstance {
    /// Makes the evaluator; heads that it asks for lie below `path`. `settings` is a checked JSON object.
    ///
    /// # Errors
    /// When the plugin is no evaluator, needs something this host lacks, or fails.
    pub fn create(plugin: &dyn Provider, path: &str, context: &Arc<Context>, settings: &str) -> Result<Arc<Self>> {
        let table = provider::required::<Evaluator>(plugin)?;
        let callee = callee(plugin, "");
        let scope = Scope::new(context, path, &format!("evaluator `{}`", plugin.name()));
        let lent = Object::lent_to(&callee.live, Content::Scope(scope.clone()));
        let mut pointer = std::ptr::null_mut();
        let created = called(&callee, "new", &context.creation(), || {
            // SAFETY: scope and settings are lent for the call; the place is writable.
            unsafe { (table.create)(lent.lend(), Bytes::text(settings), &raw mut pointer) }
        });
        scope.close();
        // Owned before the outcome is looked at, so that an instance made in a failed call is freed.
        let instance = (!pointer.is_null()).then(|| Instance { pointer, destroy: table.destroy });
        created?;
        let instance = instance
            .ok_or_else(|| Error::new("plugin/instance", format!("{} new gives no instance", callee.plugin)))?;
        Ok(Arc::new(Self { name: plugin.name().to_owned(), callee, table, instance }))
    }

    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Items, and any loss parts and metrics, of `batch` (a batch object).
    ///
    /// # Errors
    /// The first fault, the plugin's error, or a measurement without items, parts and metrics.
    pub fn measure(&self, call: &Arc<Call>, batch: &Arc<Object>) -> Result<LossResult> {
        let collector = Object::lent_to(&self.callee.live, Content::Loss(LossCollector::default()));
        let loss_call = LossCall { batch: batch.lend(), loss: collector.lend() };
        called(&self.callee, "measure", call, || {
            // SAFETY: the instance is alive, the rest is lent for the call.
            unsafe { (self.table.measure)(self.instance.pointer, &raw const loss_call) }
        })?;
        let Content::Loss(collector) = collector.content() else {
            return Err(Error::new("host/loss", "the collector changed its kind"));
        };
        let result = collector.take();
        if result.items.is_empty() && result.parts.is_empty() && result.metrics.is_empty() {
            let text = format!("{} measure gives nothing", self.callee.plugin);
            return Err(Error::new("loss/empty", text).with_help("add an item: `Loss::new().item(name, &values)`"));
        }
        Ok(result)
    }

    /// Whether it wants the items of the training samples.
    #[must_use]
    pub fn uses_training(&self) -> bool {
        // SAFETY: the instance is alive.
        unsafe { (self.table.uses_training)(self.instance.pointer) != 0 }
    }

    /// The figures over all samples.
    ///
    /// # Errors
    /// The plugin's error.
    pub fn figures(&self, call: &Arc<Call>, training: Option<&Items>, held_out: &Items) -> Result<Vec<(String, f64)>> {
        let found = figures(&self.callee, call, |collector| {
            held_out.lent(|held_out| {
                let ask = |training| {
                    // SAFETY: the instance is alive, items and collector are lent for the call.
                    unsafe { (self.table.figures)(self.instance.pointer, training, held_out, collector) }
                };
                match training {
                    Some(training) => training.lent(|training| ask(std::ptr::from_ref(training))),
                    None => ask(std::ptr::null()),
                }
            })
        })?;
        Ok(found.figures)
    }
}

impl Collator for EvaluatorInstance {
    fn name(&self) -> &str {
        &self.name
    }

    fn collate(&self, call: &Arc<Call>, collation: &Collation) -> Result<()> {
        let collate_call = CollateCall { host: std::ptr::from_ref(collation).cast() };
        called(&self.callee, "collate", call, || {
            // SAFETY: the instance is alive, the collation is lent for the call.
            unsafe { (self.table.collate)(self.instance.pointer, &raw const collate_call) }
        })
    }
}

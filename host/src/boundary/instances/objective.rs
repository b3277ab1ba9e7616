//! An objective: the instance of a plugin that says what is to be learnt.

use std::sync::Arc;

use compute::{Gradients, Tensor};
use lacuna_abi::{
    Bytes, Collate, CollateCall, Evaluate, EvaluateCall, Experience, Figures, Handle, LossCall, Objective,
};

use super::phases::{Phase, Phased};
use super::{Instance, called, called_for, callee, figures, text_of};
use crate::boundary::call::Call;
use crate::boundary::collation::{Collation, Collator};
use crate::boundary::frame::Callee;
use crate::boundary::gradients::GradientAccess;
use crate::boundary::guard;
use crate::boundary::items::Items;
use crate::boundary::loss::{LossCollector, LossResult};
use crate::boundary::object::{Content, Object};
use crate::boundary::provider::{self, Provider};
use crate::boundary::scope::{Context, Scope};
use crate::error::{Error, Result};

/// An objective of an experiment.
pub struct ObjectiveInstance {
    name: String,
    callee: Callee,
    table: &'static Objective,
    instance: Instance,
    phases: Option<Phased>,
    collate: Option<&'static Collate>,
    evaluate: Option<&'static Evaluate>,
    gradients: Option<&'static lacuna_abi::Gradients>,
    figures: Option<&'static Figures>,
}

impl ObjectiveInstance {
    /// Makes the objective; its own weights lie below `path`. `settings` is a checked JSON object.
    ///
    /// # Errors
    /// When the plugin is no objective, needs something this host lacks, or fails.
    pub fn create(plugin: &dyn Provider, path: &str, context: &Arc<Context>, settings: &str) -> Result<Arc<Self>> {
        let table = provider::required::<Objective>(plugin)?;
        if provider::interface::<Experience>(plugin)?.is_some() {
            return Err(Error::not_yet(lacuna_abi::name::EXPERIENCE));
        }
        let callee = callee(plugin, "");
        let scope = Scope::new(context, path, &format!("objective `{}`", plugin.name()));
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
        let phases = Phased::ask(plugin, path, &callee, &instance, context)?;
        Ok(Arc::new(Self {
            name: plugin.name().to_owned(),
            callee,
            table,
            instance,
            phases,
            collate: provider::interface(plugin)?,
            evaluate: provider::interface(plugin)?,
            gradients: provider::interface(plugin)?,
            figures: provider::interface(plugin)?,
        }))
    }

    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Computes the loss of `batch` (a batch object).
    ///
    /// # Errors
    /// The first fault, the plugin's error, or a loss without parts.
    pub fn loss(&self, call: &Arc<Call>, batch: &Arc<Object>) -> Result<LossResult> {
        self.collected("loss", call, batch, |loss_call| {
            // SAFETY: the instance is alive, the rest is lent for the call.
            unsafe { (self.table.loss)(self.instance.pointer, loss_call) }
        })
    }

    /// The phases of a step, in order; none where one loss trains everything.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        self.phases.as_ref().map_or(&[], |phased| &phased.phases)
    }

    /// Computes the loss of a phase; `carry` (a batch object) goes from phase to phase.
    ///
    /// # Errors
    /// As [`ObjectiveInstance::loss`], and when there is no such phase.
    pub fn phase_loss(
        &self,
        phase: usize,
        carry: &Arc<Object>,
        call: &Arc<Call>,
        batch: &Arc<Object>,
    ) -> Result<LossResult> {
        let Some((phased, named)) = self.phases.as_ref().and_then(|all| Some((all, all.phases.get(phase)?))) else {
            return Err(Error::new("host/phase", format!("objective `{}` has no phase {phase}", self.name)));
        };
        self.collected(&format!("phase `{}`", named.name), call, batch, |loss_call| {
            // SAFETY: the instance is alive, the rest is lent for the call.
            unsafe { (phased.table.loss)(self.instance.pointer, phase as u32, carry.lend(), loss_call) }
        })
    }

    /// Runs `work`, which computes a loss, and collects its parts.
    fn collected(
        &self,
        function: &str,
        call: &Arc<Call>,
        batch: &Arc<Object>,
        work: impl FnOnce(*const LossCall) -> Handle,
    ) -> Result<LossResult> {
        let collector = Object::lent_to(&self.callee.live, Content::Loss(LossCollector::default()));
        let loss_call = LossCall { batch: batch.lend(), loss: collector.lend() };
        called(&self.callee, function, call, || work(&raw const loss_call))?;
        let Content::Loss(collector) = collector.content() else {
            return Err(Error::new("host/loss", "the loss collector changed its kind"));
        };
        let mut result = collector.take();
        if result.parts.is_empty() {
            let text = format!("{} {function} gives no part", self.callee.plugin);
            return Err(Error::new("loss/empty", text).with_help("return `Loss::sum_over(…)` or add a part"));
        }
        result.auxiliaries = call.take_auxiliaries();
        result.updates = call.take_updates();
        Ok(result)
    }

    /// Whether it adds columns to batches.
    #[must_use]
    pub fn collates(&self) -> bool {
        self.collate.is_some()
    }

    /// Lets it add its columns; on a data thread, with a call made for data ([`crate::boundary::CallOptions::data`]).
    /// Without a collate part nothing happens.
    ///
    /// # Errors
    /// The plugin's error.
    pub fn collate(&self, call: &Arc<Call>, collation: &Collation) -> Result<()> {
        let Some(table) = self.collate else { return Ok(()) };
        let collate_call = CollateCall { host: std::ptr::from_ref(collation).cast() };
        called(&self.callee, "collate", call, || {
            // SAFETY: the instance is alive, the collation is lent for the call.
            unsafe { (table.collate)(self.instance.pointer, &raw const collate_call) }
        })
    }

    /// Whether it predicts for evaluators.
    #[must_use]
    pub fn predicts(&self) -> bool {
        self.evaluate.is_some()
    }

    /// Logits `[c, v]` of the rows `rows_c` (`i64`) of a batch whose gaps hold the mask token.
    ///
    /// # Errors
    /// When it does not predict, the first fault, the plugin's error, or another number of rows.
    pub fn predict(&self, call: &Arc<Call>, batch: &Arc<Object>, rows_c: &Tensor) -> Result<Tensor> {
        let Some(table) = self.evaluate else {
            let text = format!("{} does not provide `{}`", self.callee.plugin, lacuna_abi::name::EVALUATE);
            return Err(Error::new("plugin/interface", text));
        };
        let rows = Object::lent_to(&self.callee.live, rows_c.clone());
        let logits = called_for(&self.callee, "predict", call, |out| {
            let evaluate_call = EvaluateCall { batch: batch.lend(), rows: rows.lend(), logits: out };
            // SAFETY: the instance is alive, the rest is lent for the call.
            unsafe { (table.predict)(self.instance.pointer, &raw const evaluate_call) }
        })?;
        let logits = logits
            .ok_or_else(|| Error::new("plugin/output", format!("{} predict gives nothing", self.callee.plugin)))?;
        let logits = guard::tensor("the prediction", &logits)?;
        if logits.rank() == 2 && logits.dims()[0] == rows_c.elements() {
            return Ok(logits);
        }
        let text = format!("{} predicts {:?} for {} rows", self.callee.plugin, logits.dims(), rows_c.elements());
        Err(Error::new("plugin/shape", text).with_help("give one row of logits for each row asked for"))
    }

    /// Figures over the items of all samples of a measurement, and maps to be shown; none where it gives none.
    ///
    /// # Errors
    /// The plugin's error.
    pub fn figures(&self, call: &Arc<Call>, items: &Items) -> Result<LossResult> {
        let Some(table) = self.figures else { return Ok(LossResult::default()) };
        figures(&self.callee, call, |collector| {
            // SAFETY: the instance is alive, items and collector are lent for the call.
            items.lent(|items| unsafe { (table.figures)(self.instance.pointer, items, collector) })
        })
    }

    /// Lets it read and replace gradients between backward and clip; gives them back.
    ///
    /// # Errors
    /// The plugin's error.
    pub fn gradients(&self, call: &Arc<Call>, gradients: Gradients) -> Result<Gradients> {
        let Some(table) = self.gradients else { return Ok(gradients) };
        let access = Object::lent_to(&self.callee.live, Content::Gradients(GradientAccess::new(gradients)));
        let result = called(&self.callee, "gradients", call, || {
            // SAFETY: the instance is alive, the access is lent for the call.
            unsafe { (table.gradients)(self.instance.pointer, access.lend()) }
        });
        match access.content() {
            Content::Gradients(access) => {
                let gradients = access.take();
                result.map(|()| gradients)
            }
            _ => Err(Error::new("host/gradients", "the gradients changed their kind")),
        }
    }

    /// Whether its loss couples the samples of a batch.
    #[must_use]
    pub fn couples(&self) -> bool {
        // SAFETY: the instance is alive.
        unsafe { (self.table.couples)(self.instance.pointer) != 0 }
    }

    /// State that is no tensor, as text.
    ///
    /// # Errors
    /// The plugin's error.
    pub fn save(&self, call: &Arc<Call>) -> Result<Option<String>> {
        let state = called_for(&self.callee, "save", call, |out| {
            // SAFETY: the instance is alive, the place is writable.
            unsafe { (self.table.save)(self.instance.pointer, out) }
        })?;
        text_of(&self.callee, "save", state)
    }

    /// Puts saved state back.
    ///
    /// # Errors
    /// The plugin's error.
    pub fn restore(&self, call: &Arc<Call>, state: &str) -> Result<()> {
        called(&self.callee, "restore", call, || {
            // SAFETY: the instance is alive, the text is lent for the call.
            unsafe { (self.table.restore)(self.instance.pointer, Bytes::text(state)) }
        })
    }
}

impl Collator for ObjectiveInstance {
    fn name(&self) -> &str {
        self.name()
    }

    fn collate(&self, call: &Arc<Call>, collation: &Collation) -> Result<()> {
        Self::collate(self, call, collation)
    }
}

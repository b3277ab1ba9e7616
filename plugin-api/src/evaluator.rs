//! Evaluators: measurements of models that the loop does not train.

use crate::batch::Batch;
use crate::collate::Samples;
use crate::error::Result;
use crate::items::Items;
use crate::objective::Loss;
use crate::scope::Scope;
use crate::settings::Settings;

/// A measurement: items of single samples, then figures over all of them.
///
/// An experiment names it in `[evaluator]` in the place of `[objective]`. The host runs [`Evaluator::measure`] over the held-out
/// samples (and over the training samples where [`Evaluator::uses_training`]), without gradients and dropout, puts the items into
/// the order of the samples and hands them to [`Evaluator::figures`]. Models in roles, and their heads, have the weights that the
/// experiment names for them; a head that is missing there is an error.
pub trait Evaluator: Sized + Send + Sync + 'static {
    /// The `[evaluator]` table of an experiment.
    type Settings: Settings;

    /// Makes an instance: asks the scope for models by role, heads and vocabularies.
    ///
    /// # Errors
    /// When settings do not fit together or the experiment lacks something.
    fn new(settings: Self::Settings, scope: &Scope) -> Result<Self>;

    /// Adds columns to the batch on data threads; a pure function of samples and their draws.
    ///
    /// # Errors
    /// When a sample lacks a column.
    fn collate(&self, samples: &Samples<'_>) -> Result<()> {
        let _ = samples;
        Ok(())
    }

    /// The items of a batch: [`Loss::item`], [`Loss::item_rows`], [`Loss::item_for_figures`]. Parts and metrics are taken as well,
    /// and reported as their means; there need be none.
    ///
    /// # Errors
    /// When the batch lacks a column or a model fails.
    fn measure(&self, batch: &Batch) -> Result<Loss>;

    /// Whether it wants the items of the training samples: to fit a probe, to search neighbours.
    fn uses_training(&self) -> bool {
        false
    }

    /// Named figures over all samples, in the order in which they are shown.
    ///
    /// # Errors
    /// When an item is missing, or the figures cannot be told from these samples.
    fn figures(&self, training: Option<&Items>, held_out: &Items) -> Result<Vec<(String, f64)>>;
}

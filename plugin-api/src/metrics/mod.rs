//! Figures over all samples, as plain functions of numbers: what a plugin's [`Figures`](crate::Figures) are made of.
//!
//! Every function is defined as in the tool that its field quotes (scikit-learn, scipy, seqeval, the scripts of SQuAD), ties and
//! empty classes included, and held against it by golden cases. A figure that cannot be told from the samples, such as the
//! correlation of constants, is NaN.
//!
//! | figure | function |
//! |---|---|
//! | share of right classes | [`accuracy`] |
//! | F1 of a class, the mean over classes, over all decisions | [`f1`], [`macro_f1`], [`micro_f1`] |
//! | correlation of classes | [`matthews`] |
//! | intersection over union of classes of pixels | [`Confusion`] |
//! | area under the ROC curve | [`auc`] |
//! | correlation of numbers | [`pearson`], [`spearman`] |
//! | spans of tags, and how many were found | [`spans_of_bio`], [`spans_of_io`], [`span_scores`] |
//! | likelihood | [`perplexity`], [`bits`], [`entropy`] |
//! | answers to questions | [`exact_match`], [`answer_f1`] |
//! | units of speech | [`UnitCounts`], [`unit_edit_distance`] |

mod answers;
mod classes;
mod confusion;
mod correlation;
mod likelihood;
mod spans;
mod units;

pub use answers::{answer_f1, exact_match, normal_answer};
pub use classes::{Scores, accuracy, auc, f1, macro_f1, matthews, micro_f1, scores_of_class};
pub use confusion::Confusion;
pub use correlation::{pearson, ranks, spearman};
pub use likelihood::{bits, entropy, perplexity};
pub use spans::{Span, span_scores, spans_of_bio, spans_of_io};
pub use units::{UnitCounts, collapsed, edit_distance, unit_edit_distance};

/// The mean; NaN of none.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

//! Names of the interfaces: `lacuna.`, what it is about, and its revision.

/// [`crate::Errors`], by the host.
pub const ERRORS: &str = "lacuna.errors/0";
/// [`crate::Tensors`], by the host: tensors, layouts, masks and random numbers.
pub const TENSORS: &str = "lacuna.tensors/0";
/// [`crate::Weights`], by the host.
pub const WEIGHTS: &str = "lacuna.weights/0";
/// [`crate::Models`], by the host.
pub const MODELS: &str = "lacuna.models/0";
/// [`crate::Batches`], by the host.
pub const BATCHES: &str = "lacuna.batches/0";
/// [`crate::Logs`], by the host.
pub const LOGS: &str = "lacuna.logs/0";
/// [`crate::States`], by the host.
pub const STATES: &str = "lacuna.states/0";
/// [`crate::Objective`], by a plugin.
pub const OBJECTIVE: &str = "lacuna.objective/0";
/// [`crate::Collate`], by a plugin.
pub const COLLATE: &str = "lacuna.objective.collate/0";
/// [`crate::Evaluate`], by a plugin.
pub const EVALUATE: &str = "lacuna.objective.evaluate/0";
/// [`crate::Phases`], by a plugin.
pub const PHASES: &str = "lacuna.objective.phases/0";
/// [`crate::Couple`], by a plugin.
pub const COUPLE: &str = "lacuna.objective.couple/0";
/// [`crate::Experience`], by a plugin.
pub const EXPERIENCE: &str = "lacuna.objective.experience/0";
/// [`crate::Gradients`], by a plugin.
pub const GRADIENTS: &str = "lacuna.objective.gradients/0";
/// [`crate::Figures`], by a plugin.
pub const FIGURES: &str = "lacuna.objective.figures/0";
/// [`crate::Evaluator`], by a plugin.
pub const EVALUATOR: &str = "lacuna.evaluator/0";
/// [`crate::Decoder`], by a plugin.
pub const DECODER: &str = "lacuna.decoder/0";
/// [`crate::Model`], by a plugin.
pub const MODEL: &str = "lacuna.model/0";
/// [`crate::Decode`], by a plugin.
pub const DECODE: &str = "lacuna.model.decode/0";
/// [`crate::Axes`], by a plugin.
pub const AXES: &str = "lacuna.model.axes/0";
/// [`crate::HuggingFace`], by a plugin.
pub const HUGGING_FACE: &str = "lacuna.model.huggingface/0";

//! The interfaces: small tables of functions, asked for by name.
//!
//! Functions that can fail return an error [`Handle`], null on success. Unless its entry says otherwise, a function is
//! called on the thread of the step; those marked *data* on any data thread, concurrently.

use abi_stable::StableAbi;

use crate::{Attribute, Bytes, Handle, Place};

/// Errors of the host: made by plugins, read by both. *data*
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Errors {
    /// Makes an error. `code` like `plugin/setting`; `help` may be empty; `place` may be null.
    pub make: unsafe extern "C" fn(code: Bytes, text: Bytes, help: Bytes, place: *const Place) -> Handle,
    /// Its code; valid while the handle is held.
    pub code: unsafe extern "C" fn(error: Handle) -> Bytes,
    /// Its one-line fact.
    pub text: unsafe extern "C" fn(error: Handle) -> Bytes,
    /// How to mend it; may be empty.
    pub help: unsafe extern "C" fn(error: Handle) -> Bytes,
}

/// Tensors and everything an operation takes or gives.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Tensors {
    /// Applies operation `number`. Never fails by itself: on a fault every output is a poisoned tensor, and the fault is
    /// kept for [`Tensors::check`]. Inputs may be tensors, weights, buffers, layouts and masks.
    pub op: unsafe extern "C" fn(
        number: u32,
        inputs: *const Handle,
        inputs_len: usize,
        attributes: *const Attribute,
        attributes_len: usize,
        place: *const Place,
        outputs: *mut Handle,
        outputs_len: usize,
    ),
    /// One holder more. *data*
    pub retain: unsafe extern "C" fn(object: Handle),
    /// One holder less. Null is nothing. *data*
    pub release: unsafe extern "C" fn(object: Handle),
    /// One of [`crate::kind`]; 0 for null. *data*
    pub kind: unsafe extern "C" fn(object: Handle) -> u32,
    /// Writes the lengths of the axes (at most `capacity`) and their number; also of weights.
    pub shape: unsafe extern "C" fn(tensor: Handle, dims: *mut usize, capacity: usize, rank: *mut usize) -> Handle,
    /// Writes the element type, one of [`crate::dtype`].
    pub dtype: unsafe extern "C" fn(tensor: Handle, dtype: *mut u32) -> Handle,
    /// Casts to `dtype` and copies all elements, row by row, into `out` of exactly `len` bytes. Waits for the device.
    pub read: unsafe extern "C" fn(tensor: Handle, dtype: u32, out: *mut u8, len: usize) -> Handle,
    /// Makes a constant tensor from `data`; poisoned when the length does not fit.
    pub make:
        unsafe extern "C" fn(dtype: u32, dims: *const usize, rank: usize, data: Bytes, place: *const Place) -> Handle,
    /// Takes the first fault of this call out, or null.
    pub check: unsafe extern "C" fn() -> Handle,
    /// Gives `outputs` (computed without gradients) a backward of their own: it gets `saved` followed by the gradients of
    /// the outputs (null where none came) and writes one gradient or null for each input. `drop` frees `state`.
    pub custom: unsafe extern "C" fn(call: *const CustomCall, place: *const Place, results: *mut Handle),
    /// First-order gradients of `outputs` (seeded by `seeds`, null for one) with respect to `wrt`; writes one tensor or null for each.
    pub grad: unsafe extern "C" fn(
        outputs: *const Handle,
        seeds: *const Handle,
        outputs_len: usize,
        wrt: *const Handle,
        wrt_len: usize,
        keep: u32,
        results: *mut Handle,
    ) -> Handle,
    /// Calls `work.function(state, i)` for each `i < count` on the host's threads, without tensor operations. *data*
    pub parallel: unsafe extern "C" fn(count: usize, work: Work, state: *mut u8) -> Handle,
}

/// A function of an index; abi_stable checks function pointers only inside a struct.
#[repr(transparent)]
#[derive(Clone, Copy, StableAbi)]
pub struct Work {
    /// The function.
    pub function: unsafe extern "C" fn(state: *mut u8, index: usize),
}

/// Arguments of [`Tensors::custom`].
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct CustomCall {
    /// The name in errors.
    pub name: Bytes,
    /// What the outputs depend on.
    pub inputs: *const Handle,
    /// How many.
    pub inputs_len: usize,
    /// The outputs' values.
    pub outputs: *const Handle,
    /// How many.
    pub outputs_len: usize,
    /// What the backward needs; freed as the pass goes by.
    pub saved: *const Handle,
    /// How many.
    pub saved_len: usize,
    /// The backward: (state, saved and output gradients, their number, results for the inputs, their number) to error.
    pub backward: unsafe extern "C" fn(
        state: *mut u8,
        given: *const Handle,
        given_len: usize,
        results: *mut Handle,
        results_len: usize,
    ) -> Handle,
    /// Frees the state.
    pub drop: unsafe extern "C" fn(state: *mut u8),
    /// Anything of the plugin's.
    pub state: *mut u8,
}

/// What a weight or buffer is to be.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct WeightRequest {
    /// Its name below the scope.
    pub name: Bytes,
    /// Lengths of its axes.
    pub dims: *const usize,
    /// How many.
    pub rank: usize,
    /// One of [`crate::init`].
    pub init: u32,
    /// The init's number.
    pub a: f64,
    /// One of [`crate::dtype`]; weights are `f32`.
    pub dtype: u32,
    /// 1: weight decay applies.
    pub decay: u32,
    /// 1: may go without a gradient (experts, absent modalities).
    pub sometimes: u32,
    /// 1: never trained.
    pub frozen: u32,
    /// Axis names separated by commas (`ffn,width`), or empty.
    pub axes: Bytes,
}

/// Weights and buffers: slots that the host resolves at each use.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Weights {
    /// Makes a weight below `scope`; only while an instance is created.
    pub weight: unsafe extern "C" fn(scope: Handle, request: *const WeightRequest, weight: *mut Handle) -> Handle,
    /// Makes a buffer: state saved with the checkpoint that gets no gradient.
    pub buffer: unsafe extern "C" fn(scope: Handle, request: *const WeightRequest, buffer: *mut Handle) -> Handle,
    /// The scope `name` below `scope`.
    pub scope: unsafe extern "C" fn(scope: Handle, name: Bytes, inner: *mut Handle) -> Handle,
    /// Changes a buffer after the step: `how` 0 set, 1 mean, 2 sum, 3 moving average with `momentum`.
    pub update: unsafe extern "C" fn(buffer: Handle, value: Handle, how: u32, momentum: f64) -> Handle,
    /// Shows `weight` through a view: `kind` 0 tie to `parts[0]`, 1 stop-gradient plus delta `parts[0]`, 2 low rank
    /// `parts[0]` `[r, in]` and `parts[1]` [out, r] with scale `a`, 3 mask `parts[0]`, 4 stop-gradient of `parts[0]` plus
    /// this weight, which begins at zero.
    pub view: unsafe extern "C" fn(weight: Handle, kind: u32, parts: *const Handle, parts_len: usize, a: f64) -> Handle,
    /// The gradient of a weight between backward and clip, or null; `access` is the handle [`Gradients::gradients`] got.
    pub gradient: unsafe extern "C" fn(access: Handle, weight: Handle, gradient: *mut Handle) -> Handle,
    /// Replaces it.
    pub set_gradient: unsafe extern "C" fn(access: Handle, weight: Handle, gradient: Handle) -> Handle,
}

/// A named handle.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct NamedHandle {
    /// The name.
    pub name: Bytes,
    /// The handle.
    pub handle: Handle,
}

/// One forward pass: what goes in, through which layers, what is wanted.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct ModelCall {
    /// `encode`, `decode`, `image`, …
    pub workflow: Bytes,
    /// A batch of inputs: `tokens` `[n]`, or `embeddings` `[n, d]`, or `hidden` `[n, d]` at `first_layer`; further ones by name.
    pub inputs: Handle,
    /// The layout of the rows.
    pub layout: Handle,
    /// None (the family's own), one for all layers, or one for each layer.
    pub masks: *const Handle,
    /// How many.
    pub masks_len: usize,
    /// The first layer to run.
    pub first_layer: u32,
    /// One past the last layer; `u32::MAX` for all.
    pub last_layer: u32,
    /// Names of further outputs (`layers.3.output`, `embeddings`).
    pub wanted: *const Bytes,
    /// How many.
    pub wanted_len: usize,
    /// A batch that takes the outputs: `hidden` `[n, d]` and those wanted.
    pub outputs: Handle,
}

/// Models in their roles. In scopes of [`Objective::create`] and [`Model::build`].
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Models {
    /// The model of a role (`encoder`, `generator`, `teacher`); built when first asked for.
    pub role: unsafe extern "C" fn(scope: Handle, role: Bytes, model: *mut Handle) -> Handle,
    /// A head of a model: `tokens`, `classes`, `scalar`, `values`; `size` for those that need one.
    pub head: unsafe extern "C" fn(scope: Handle, model: Handle, kind: Bytes, size: u64, head: *mut Handle) -> Handle,
    /// Runs a model.
    pub forward: unsafe extern "C" fn(model: Handle, call: *const ModelCall) -> Handle,
    /// Applies a head to hidden rows `[n, d]`.
    pub apply: unsafe extern "C" fn(head: Handle, hidden: Handle, logits: *mut Handle) -> Handle,
    /// What a model says of itself, as JSON text: `width`, `num_layers`, `causal`, ….
    pub describe: unsafe extern "C" fn(model: Handle, json: *mut Handle) -> Handle,
    /// The vocabulary of a modality, as JSON text: `size`, `pad`, `begin`, `end`, `mask`, `unknown`, `special`.
    pub vocabulary: unsafe extern "C" fn(scope: Handle, modality: Bytes, json: *mut Handle) -> Handle,
    /// A named point a family passes a tensor through; listeners read or replace it. Returns an owned handle.
    pub site: unsafe extern "C" fn(name: Bytes, tensor: Handle) -> Handle,
    /// Whether anybody listens at that site: 1 or 0.
    pub listening: unsafe extern "C" fn(name: Bytes) -> u32,
    /// An auxiliary loss from inside a model.
    pub auxiliary: unsafe extern "C" fn(name: Bytes, weight: f64, sum: Handle, count: Handle) -> Handle,
    /// 1 while training, 0 in evaluation.
    pub training: unsafe extern "C" fn() -> u32,
    /// A weight of a model by its name below the model's scope; only while an instance is created.
    pub weight: unsafe extern "C" fn(model: Handle, name: Bytes, weight: *mut Handle) -> Handle,
}

/// A column of one sample, borrowed from the host while the call lasts.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Column {
    /// One of [`crate::dtype`].
    pub dtype: u32,
    /// The first element.
    pub ptr: *const u8,
    /// The number of elements.
    pub len: usize,
}

/// Batches: named columns, on the device in a step, as plain memory in collation.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Batches {
    /// A batch without columns.
    pub new: unsafe extern "C" fn() -> Handle,
    /// Puts a column.
    pub put: unsafe extern "C" fn(batch: Handle, name: Bytes, column: Handle) -> Handle,
    /// Gets a column, or null without an error where there is none.
    pub get: unsafe extern "C" fn(batch: Handle, name: Bytes, column: *mut Handle) -> Handle,
    /// The names of the columns, one a line, as text.
    pub names: unsafe extern "C" fn(batch: Handle) -> Handle,
    /// Makes text. *data*
    pub text: unsafe extern "C" fn(text: Bytes) -> Handle,
    /// The bytes of text; valid while the handle is held. *data*
    pub bytes: unsafe extern "C" fn(text: Handle) -> Bytes,
    /// The number of samples in a collation. *data*
    pub samples: unsafe extern "C" fn(call: *const CollateCall) -> usize,
    /// A column of a sample: `text.tokens` (`u32`), `text.special` and `text.word_starts` (bool). *data*
    pub sample:
        unsafe extern "C" fn(call: *const CollateCall, index: usize, name: Bytes, column: *mut Column) -> Handle,
    /// The row that the sample's first token has in the batch's layout of that modality. *data*
    pub first_row:
        unsafe extern "C" fn(call: *const CollateCall, index: usize, modality: Bytes, row: *mut usize) -> Handle,
    /// Writes the epoch, from 0, whether the batch is for training, and the share of the run that is done before it, 1
    /// when measuring. *data*
    pub when: unsafe extern "C" fn(
        call: *const CollateCall,
        epoch: *mut u64,
        training: *mut u32,
        progress: *mut f64,
    ) -> Handle,
    /// Uniform draws in (0, 1) keyed by (seed, stream, epoch, sample id): draw numbers `first..first + len`. *data*
    pub draw: unsafe extern "C" fn(
        call: *const CollateCall,
        index: usize,
        stream: Bytes,
        epoch: u64,
        first: u64,
        out: *mut f64,
        len: usize,
    ) -> Handle,
    /// Adds a column to the batch. *data*
    pub add: unsafe extern "C" fn(
        call: *const CollateCall,
        name: Bytes,
        dtype: u32,
        dims: *const usize,
        rank: usize,
        data: Bytes,
    ) -> Handle,
}

/// One collation: opaque to the plugin.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct CollateCall {
    /// The host's side of it.
    pub host: *const u8,
}

/// Loss parts, metrics and logs.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Logs {
    /// A part of the loss: total = Σ weight · Σ sum / Σ count over the global batch. `loss` comes from [`LossCall`].
    pub part: unsafe extern "C" fn(loss: Handle, name: Bytes, weight: f64, sum: Handle, count: Handle) -> Handle,
    /// A metric, reported as Σ sum / Σ count.
    pub metric: unsafe extern "C" fn(loss: Handle, name: Bytes, sum: Handle, count: Handle) -> Handle,
    /// The token ids that the loss predicted, for baselines that look at the same positions.
    pub targets: unsafe extern "C" fn(loss: Handle, targets: Handle) -> Handle,
    /// A line in the run's log: `level` 0 debug, 1 info, 2 warning. *data*
    pub log: unsafe extern "C" fn(level: u32, text: Bytes),
    /// Results of single samples, forgotten while training: `values` `[b]` or `[b, k]` for the b samples of the batch; with a
    /// `layout` of b segments, rows `[n]` that belong to them. `write` 1: also for the records of the run, 0: for figures only.
    /// Other things to be looked at, also of all samples together in the place of figures: 2, pictures `[b, k, c, h, w]` as models see
    /// pixels, k of each sample; 3, the same as levels of light from 0 to 1.
    pub item: unsafe extern "C" fn(loss: Handle, name: Bytes, values: Handle, layout: Handle, write: u32) -> Handle,
    /// A figure; `figures` comes from [`Figures`] or [`Evaluator`].
    pub figure: unsafe extern "C" fn(figures: Handle, name: Bytes, value: f64) -> Handle,
}

/// One result for each sample.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct ItemColumn {
    /// Its name, from [`Logs::item`].
    pub name: Bytes,
    /// The numbers of all samples, one sample after the other.
    pub values: *const f64,
    /// How many.
    pub values_len: usize,
    /// Where each sample's numbers begin, and one past the last: `samples + 1` of them; null where each sample has one number.
    pub starts: *const u64,
}

/// The results of all samples of a measurement, in the order of the samples.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Items {
    /// How many samples.
    pub samples: usize,
    /// Their identities.
    pub ids: *const u64,
    /// The results.
    pub columns: *const ItemColumn,
    /// How many.
    pub columns_len: usize,
}

/// What a model remembers of sequences that it decodes step by step: tensors by name, sequences first.
///
/// The host knows how many rows each sequence has so far; the positions in the layout of a step continue from there. What a
/// step appends counts once the step has succeeded.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct States {
    /// Writes the number of rows of each sequence before this step, `u32` `[b]`.
    pub lengths: unsafe extern "C" fn(state: Handle, lengths: *mut Handle) -> Handle,
    /// Gets a tensor `[b, ..]`, or null without an error where there is none.
    pub get: unsafe extern "C" fn(state: Handle, name: Bytes, tensor: *mut Handle) -> Handle,
    /// Puts a tensor `[b, ..]` in the place of the one of that name.
    pub set: unsafe extern "C" fn(state: Handle, name: Bytes, tensor: Handle) -> Handle,
    /// Appends the rows `[n, ..]` of this step; writes all rows of that name so far `[m, ..]` and their layout.
    pub append: unsafe extern "C" fn(
        state: Handle,
        name: Bytes,
        rows: Handle,
        layout: Handle,
        all: *mut Handle,
        all_layout: *mut Handle,
    ) -> Handle,
}

/// One call of an objective's loss.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct LossCall {
    /// The batch.
    pub batch: Handle,
    /// What takes parts and metrics, see [`Logs`].
    pub loss: Handle,
}

/// What is to be learnt.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Objective {
    /// Makes an instance from checked settings (a JSON object).
    pub create: unsafe extern "C" fn(scope: Handle, settings: Bytes, instance: *mut *mut u8) -> Handle,
    /// Frees it.
    pub destroy: unsafe extern "C" fn(instance: *mut u8),
    /// Computes the loss of a batch.
    pub loss: unsafe extern "C" fn(instance: *const u8, call: *const LossCall) -> Handle,
    /// 1 when the loss couples the samples of a batch.
    pub couples: unsafe extern "C" fn(instance: *const u8) -> u32,
    /// State that is no tensor, as text; null for none.
    pub save: unsafe extern "C" fn(instance: *const u8, state: *mut Handle) -> Handle,
    /// Puts it back.
    pub restore: unsafe extern "C" fn(instance: *const u8, state: Bytes) -> Handle,
}

/// Columns computed from the samples on data threads: pure in samples and key.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Collate {
    /// Adds columns to the batch. *data*
    pub collate: unsafe extern "C" fn(instance: *const u8, call: *const CollateCall) -> Handle,
}

/// One call of [`Evaluate::predict`].
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct EvaluateCall {
    /// A batch with tokens and layout; gaps hold the mask token.
    pub batch: Handle,
    /// Which rows to predict, `i64` `[c]`.
    pub rows: Handle,
    /// Takes logits `[c, v]`.
    pub logits: *mut Handle,
}

/// Predictions of a trained objective, for filling gaps and evaluators.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Evaluate {
    /// Predicts tokens.
    pub predict: unsafe extern "C" fn(instance: *const u8, call: *const EvaluateCall) -> Handle,
}

/// Several losses in a step, each with its own optimizer.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Phases {
    /// The phases as JSON text: a list of objects with `name`, `roles` and `own`; empty where one loss trains everything.
    /// Asked for once, after the instance was created.
    pub phases: unsafe extern "C" fn(instance: *const u8, json: *mut Handle) -> Handle,
    /// The loss of a phase; `carry` is a batch of detached tensors that goes from phase to phase.
    pub loss: unsafe extern "C" fn(instance: *const u8, phase: u32, carry: Handle, call: *const LossCall) -> Handle,
}

/// A loss over the representations of the whole global batch.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Couple {
    /// Representations of a micro-batch, into `out`.
    pub represent: unsafe extern "C" fn(instance: *const u8, batch: Handle, out: Handle) -> Handle,
    /// The loss over all of them.
    pub couple: unsafe extern "C" fn(instance: *const u8, all: Handle, call: *const LossCall) -> Handle,
}

/// What an objective gathers itself before it learns from it: samples decoded, scored, compared with a reference.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Experience {
    /// Turns the global batch, before it is divided, into the one to learn from, into `out`; without gradients. The host
    /// keeps it for as many passes as the settings say, and saves it with a checkpoint that falls between.
    pub experience: unsafe extern "C" fn(instance: *const u8, batch: Handle, out: Handle) -> Handle,
}

/// A look at the gradients between backward and clip.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Gradients {
    /// Reads and replaces gradients through [`Weights::gradient`] and [`Weights::set_gradient`].
    pub gradients: unsafe extern "C" fn(instance: *const u8, access: Handle) -> Handle,
}

/// Figures over all samples of a held-out measurement that are no means of batches: a correlation, an F1.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Figures {
    /// Computes them from the samples' items and gives them to [`Logs::figure`].
    pub figures: unsafe extern "C" fn(instance: *const u8, items: *const Items, figures: Handle) -> Handle,
}

/// A measurement of models that learns nothing by the loop: items of samples, then figures over all of them.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Evaluator {
    /// Makes an instance from checked settings (a JSON object).
    pub create: unsafe extern "C" fn(scope: Handle, settings: Bytes, instance: *mut *mut u8) -> Handle,
    /// Frees it.
    pub destroy: unsafe extern "C" fn(instance: *mut u8),
    /// Adds columns to the batch. *data*
    pub collate: unsafe extern "C" fn(instance: *const u8, call: *const CollateCall) -> Handle,
    /// Gives items, and where it has any loss parts and metrics, of a batch.
    pub measure: unsafe extern "C" fn(instance: *const u8, call: *const LossCall) -> Handle,
    /// 1 when it wants the items of the training samples as well.
    pub uses_training: unsafe extern "C" fn(instance: *const u8) -> u32,
    /// The figures; `training` is null unless [`Evaluator::uses_training`].
    pub figures: unsafe extern "C" fn(
        instance: *const u8,
        training: *const Items,
        held_out: *const Items,
        figures: Handle,
    ) -> Handle,
}

/// One call of [`Decoder::decode`].
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct DecoderCall {
    /// A batch: `text.tokens` and `text.layout` of the prompts, which may be empty, and `sequences`, `u32` `[b]`: what the
    /// draws of each go by.
    pub prompts: Handle,
    /// New tokens of each sequence.
    pub length: u64,
    /// A batch that takes the new tokens: `tokens`, `u32` `[m]`, one sequence after the other, and `lengths`, `u32` `[b]`.
    pub outputs: Handle,
}

/// A rule that makes sequences with the models of a run.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Decoder {
    /// Makes an instance from checked settings (a JSON object). The scope lends models and heads of the run.
    pub create: unsafe extern "C" fn(scope: Handle, settings: Bytes, instance: *mut *mut u8) -> Handle,
    /// Frees it.
    pub destroy: unsafe extern "C" fn(instance: *mut u8),
    /// Continues prompts, without gradients.
    pub decode: unsafe extern "C" fn(instance: *const u8, call: *const DecoderCall) -> Handle,
}

/// A request for a head.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct HeadCall {
    /// `tokens`, `classes`, `scalar`, `values`.
    pub kind: Bytes,
    /// Classes or values.
    pub size: u64,
}

/// A model family.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Model {
    /// Builds an instance from checked settings (a JSON object).
    pub build: unsafe extern "C" fn(scope: Handle, settings: Bytes, instance: *mut *mut u8) -> Handle,
    /// Frees it.
    pub destroy: unsafe extern "C" fn(instance: *mut u8),
    /// Runs it.
    pub forward: unsafe extern "C" fn(instance: *const u8, call: *const ModelCall) -> Handle,
    /// Builds a head; writes the number by which [`Model::apply`] knows it.
    pub head: unsafe extern "C" fn(instance: *const u8, scope: Handle, call: *const HeadCall, head: *mut u64) -> Handle,
    /// Applies a head.
    pub apply: unsafe extern "C" fn(instance: *const u8, head: u64, hidden: Handle, logits: *mut Handle) -> Handle,
    /// JSON text on itself: `width`, `num_layers`, `causal`, ….
    pub describe: unsafe extern "C" fn(instance: *const u8, json: *mut Handle) -> Handle,
}

/// Decoding with state.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Decode {
    /// Puts into an empty state what decoding begins with, and refuses where the model cannot decode; see [`States`].
    pub begin: unsafe extern "C" fn(instance: *const u8, state: Handle) -> Handle,
    /// Runs new tokens against the state and grows it. The layout has one segment for each sequence, positions continue.
    pub step: unsafe extern "C" fn(instance: *const u8, state: Handle, call: *const ModelCall) -> Handle,
}

/// Axis names for surgery.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Axes {
    /// JSON text: axis name to what it means and what it must divide.
    pub axes: unsafe extern "C" fn(instance: *const u8, json: *mut Handle) -> Handle,
}

/// Hugging Face folders: what a `config.json` means, and what the weights are called.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct HuggingFace {
    /// Settings (a JSON object) for a `config.json` (JSON text); null where the family does not know the architecture. Needs no
    /// instance.
    pub settings: unsafe extern "C" fn(config: Bytes, json: *mut Handle) -> Handle,
    /// The `config.json` of an instance, as JSON text.
    pub config: unsafe extern "C" fn(instance: *const u8, json: *mut Handle) -> Handle,
    /// JSON text: `prefix`, `names` (rows of own name, their name, transpose, split, fills), `copies`, `zeros`, `ignored`.
    pub table: unsafe extern "C" fn(instance: *const u8, json: *mut Handle) -> Handle,
}

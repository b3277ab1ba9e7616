//! The state of a run, out to a checkpoint and back, bit for bit.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute::DType;
use compute::optimizer::Ema;
use compute::weights::Saved;
use records::{Checkpoint, CheckpointContent, CheckpointWriter, Dtype, TensorBytes, Written};
use serde_json::json;

use super::guards::Guards;
use super::meters::Meters;
use super::step::Stepper;
use crate::boundary::{Call, CallOptions};
use crate::error::{Error, Result};

/// Marks tensors of the averaged weights among those of the optimizer.
pub(crate) const EMA: &str = "ema/";

/// Everything of a run that changes from step to step.
pub(super) struct State<'a> {
    /// Steps done.
    pub(super) step: u64,
    /// Tokens seen.
    pub(super) tokens: u64,
    /// Weights, objective, optimizer.
    pub(super) stepper: &'a mut Stepper,
    /// Averaged weights.
    pub(super) ema: Option<Ema>,
    /// Watchers.
    pub(super) guards: &'a mut Guards,
    /// Means since the last log line.
    pub(super) meters: &'a mut Meters,
    /// Hashes of all that changes results, by name; a checkpoint of others is refused.
    pub(super) fingerprint: &'a BTreeMap<String, String>,
}

impl State<'_> {
    /// Writes a checkpoint; `loss` is the held-out loss at this step, where one was measured.
    ///
    /// # Errors
    /// When the disk refuses. The checkpoints that are there stay.
    pub(super) fn save(&self, writer: &CheckpointWriter, loss: Option<f64>) -> Result<Written> {
        let (buffers, model): (Vec<Saved>, Vec<Saved>) = self
            .stepper
            .weights
            .state()?
            .into_iter()
            .partition(|saved| self.stepper.weights.buffer(&saved.name).is_some());
        let mut optimizer = self.stepper.optimizer_state()?;
        if let Some(ema) = &self.ema {
            optimizer.extend(
                ema.state(&self.stepper.weights)?
                    .into_iter()
                    .map(|saved| Saved { name: format!("{EMA}{}", saved.name), ..saved }),
            );
        }
        let mut metadata = BTreeMap::from([("format".to_owned(), "lacuna".to_owned())]);
        metadata.extend(super::shared::metadata(&self.stepper.weights));
        let state = json!({
            "step": self.step,
            "tokens": self.tokens,
            "fingerprint": self.fingerprint,
            "meters": self.meters.to_json(),
            "guards": self.guards.to_json(),
            "objective": self.stepper.objective.save(&self.call())?,
        });
        Ok(writer.write(&CheckpointContent {
            step: self.step,
            loss,
            model: &tensors(model)?,
            metadata: &metadata,
            optimizer: &tensors(optimizer)?,
            buffers: &tensors(buffers)?,
            state: &state,
        })?)
    }

    /// Puts a checkpoint back. Nothing is changed where it does not fit.
    ///
    /// # Errors
    /// When it was made with other settings, or a tensor is missing, unexpected or of another shape.
    pub(super) fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let state = &checkpoint.state;
        let changed: Vec<String> = self
            .fingerprint
            .iter()
            .filter(|(name, hash)| state["fingerprint"][name.as_str()] != hash.as_str())
            .map(|(name, _)| name.clone())
            .collect();
        if !changed.is_empty() {
            let text = format!("changed since the run was at step {}: {}", checkpoint.step, changed.join(", "));
            return Err(Error::new("run/changed", text)
                .with_help("resume with what it was started with, or start a new run in another folder"));
        }
        let number = |name: &str| state[name].as_u64().ok_or_else(|| unreadable(name));
        let (step, tokens) = (number("step")?, number("tokens")?);
        let mut model = saved(checkpoint.model()?.tensors()?)?;
        model.extend(saved(checkpoint.buffers()?)?);
        let (averaged, moments): (BTreeMap<_, _>, BTreeMap<_, _>) =
            saved(checkpoint.optimizer()?.tensors()?)?.into_iter().partition(|(name, _)| name.starts_with(EMA));
        self.stepper.weights.load_state(&model, true)?;
        self.stepper.load_optimizer_state(moments)?;
        if let Some(ema) = &self.ema {
            let bare = averaged.into_iter().map(|(name, saved)| (name[EMA.len()..].to_owned(), saved)).collect();
            ema.load_state(&self.stepper.weights, &bare)?;
        }
        *self.meters = Meters::from_json(&state["meters"])?;
        self.guards.restore(&state["guards"])?;
        if let Some(text) = state["objective"].as_str() {
            self.stepper.objective.restore(&self.call(), text)?;
        }
        (self.step, self.tokens) = (step, tokens);
        Ok(())
    }
}

impl State<'_> {
    fn call(&self) -> Arc<Call> {
        Call::new(CallOptions { step: self.step, ..self.stepper.options.clone() })
    }
}

fn unreadable(what: &str) -> Error {
    Error::new("run/checkpoint", format!("the checkpoint's `{what}` cannot be read"))
}

/// The type of tensor `name` as files call it.
///
/// # Errors
/// When files do not have it.
pub(crate) fn file_dtype(name: &str, dtype: DType) -> Result<Dtype> {
    Ok(match dtype {
        DType::Bool => Dtype::BOOL,
        DType::U8 => Dtype::U8,
        DType::U32 => Dtype::U32,
        DType::I64 => Dtype::I64,
        DType::BF16 => Dtype::BF16,
        DType::F16 => Dtype::F16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        other => return Err(Error::new("run/checkpoint", format!("`{name}` has type {other}, which is not saved"))),
    })
}

fn tensors(saved: Vec<Saved>) -> Result<Vec<TensorBytes>> {
    saved
        .into_iter()
        .map(|saved| {
            let dtype = file_dtype(&saved.name, saved.dtype)?;
            Ok(TensorBytes { name: saved.name, dtype, shape: saved.shape, bytes: saved.bytes })
        })
        .collect()
}

/// Tensors of a file by name, as the core takes them.
///
/// # Errors
/// When one has a type that the core does not know.
pub fn saved(tensors: Vec<TensorBytes>) -> Result<BTreeMap<String, Saved>> {
    tensors
        .into_iter()
        .map(|tensor| {
            let dtype = match tensor.dtype {
                Dtype::BOOL => DType::Bool,
                Dtype::U8 => DType::U8,
                Dtype::U32 => DType::U32,
                Dtype::I64 => DType::I64,
                Dtype::BF16 => DType::BF16,
                Dtype::F16 => DType::F16,
                Dtype::F32 => DType::F32,
                Dtype::F64 => DType::F64,
                other => {
                    return Err(Error::new(
                        "run/weights",
                        format!("`{}` has type {other:?}, which is not known here", tensor.name),
                    ));
                }
            };
            let TensorBytes { name, shape, bytes, .. } = tensor;
            Ok((name.clone(), Saved { name, dtype, shape, bytes }))
        })
        .collect()
}

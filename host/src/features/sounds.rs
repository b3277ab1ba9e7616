//! What a model makes of sounds: hidden states of their rows, pooled vectors, what heads make of them.

use std::path::Path;

use compute::Tensor;
use compute::layout::Layout;
use records::{Dtype, TensorBytes, TensorFile};

use super::collected::Collected;
use super::run::{Features, mean, numbers_of};
use crate::boundary::{Call, Content};
use crate::error::{Error, Result};
use crate::models::{Opened, SoundSize};

/// Names under which sounds may stand in a file.
const NAMES: [&str; 3] = ["features", "waveform", "input_values"];

/// Some sounds of the same length, frame by frame.
pub struct Sounds {
    /// `[b, frames, bins]`, f32, as the model was trained.
    values_bfm: Vec<f32>,
    sounds: usize,
    frames: usize,
    bins: usize,
}

impl Sounds {
    /// How many there are.
    #[must_use]
    pub fn sounds(&self) -> usize {
        self.sounds
    }

    /// Reads the tensor `features` `[b, frames, bins]`, or `waveform` (`input_values` is the same) `[b, samples]`, f32, of a
    /// `safetensors` file.
    ///
    /// # Errors
    /// When there is none, or its frames are not those that the model was made for.
    pub fn read(file: &Path, size: SoundSize) -> Result<Self> {
        let bins = size.bins;
        let wanted =
            if bins == 1 { "`waveform`, f32 [sounds, samples]" } else { "`features`, f32 [sounds, frames, bins]" };
        let fault = |what: String| {
            Error::new("data/input", format!("`{}` {what}", file.display())).with_help(format!(
                "give a safetensors file with {wanted}, {bins} numbers a frame, as the model was trained"
            ))
        };
        let opened = TensorFile::open(file).map_err(|error| fault(format!("is no safetensors file: {error}")))?;
        let found = opened.tensors()?.into_iter().find(|tensor| NAMES.contains(&tensor.name.as_str()));
        let Some(TensorBytes { name, dtype, shape, bytes }) = found else {
            return Err(fault("has no tensor of sounds".into()));
        };
        if dtype != Dtype::F32 {
            return Err(fault(format!("has `{name}` in {dtype:?}")));
        }
        let (sounds, frames) = match *shape.as_slice() {
            [sounds, frames] if bins == 1 => (sounds, frames),
            [sounds, frames, own] if own == bins => (sounds, frames),
            _ => return Err(fault(format!("has `{name}` of shape {shape:?}"))),
        };
        if sounds == 0 || frames == 0 {
            return Err(fault(format!("has `{name}` of shape {shape:?}: nothing to hear")));
        }
        let values_bfm = bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
        Ok(Self { values_bfm, sounds, frames, bins })
    }
}

/// Runs a model over sounds, `batch` at once, and writes with t rows of a sound `last_hidden_state` `[b, t, d]`, `pooled`
/// `[b, d]`, the mean over the rows, `first` `[b, d]`, and of a head for tokens `logits` `[b, t, v]`. A model that says its `field` has
/// a row wherever the whole of it is there; of others the frames must fill their rows.
///
/// # Errors
/// When the sounds are too short, or the model fails.
pub fn sound_features(
    opened: &Opened,
    sounds: &Sounds,
    output: &Path,
    batch: usize,
    with_heads: bool,
    on_progress: &mut dyn FnMut(u64, u64),
) -> Result<Features> {
    let per_row = opened.stored.sounds().map_or(1, |size| size.frames_per_unit).max(1);
    let rows = match opened.said("field") {
        Some(field) if sounds.frames >= field => (sounds.frames - field) / per_row + 1,
        None if sounds.frames >= per_row && sounds.frames.is_multiple_of(per_row) => sounds.frames / per_row,
        field => {
            let wanted = field.map_or_else(|| format!("a multiple of {per_row}"), |field| format!("at least {field}"));
            let text = format!("the sounds have {} frames, and the model wants {wanted}", sounds.frames);
            return Err(Error::new("data/input", text).with_help("cut them, or add silence behind"));
        }
    };
    let (width, call) = (opened.model.description().width, Call::new(opened.evaluation()));
    let mut found = Collected::default();
    let numbers: Vec<u64> = (0..sounds.sounds as u64).collect();
    let total = sounds.sounds.div_ceil(batch.max(1)) as u64;
    on_progress(0, total);
    for (done, keys) in numbers.chunks(batch.max(1)).enumerate() {
        let (b, each) = (keys.len(), sounds.frames * sounds.bins);
        let own = &sounds.values_bfm[keys[0] as usize * each..][..b * each];
        let features_bfm = Tensor::from_slice(own, &[b, sounds.frames, sounds.bins], opened.device())?;
        let layout = Layout::new(&vec![rows; b], keys)?;
        let inputs = [("features".to_owned(), Content::from(features_bfm))];
        let hidden_nd = opened.hidden(&call, "encode", inputs, &layout)?;
        if with_heads && let Some(logits) = opened.logits(&call, "tokens", hidden_nd.clone())? {
            let outputs = logits.dims().last().copied().unwrap_or(1);
            found.add("logits", &[b, rows, outputs], numbers_of(&logits)?);
        }
        let hidden = numbers_of(&hidden_nd)?;
        let each = || hidden.chunks(rows * width);
        found.add("pooled", &[b, width], each().flat_map(|rows| mean(rows, width)).collect());
        found.add("first", &[b, width], each().flat_map(|rows| rows[..width].to_vec()).collect());
        found.add("last_hidden_state", &[b, rows, width], hidden);
        on_progress(done as u64 + 1, total);
    }
    found.write(output, rows * sounds.sounds)
}

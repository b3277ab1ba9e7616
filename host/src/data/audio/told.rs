//! Units that a trained model tells: k-means of what one of its layers makes of the sounds, or the codes that it gives.
//!
//! Hsu et al. 2021, arXiv:2106.07447, section III-D: the targets of a later iteration. The model hears every sound once, before the
//! first step, and its units are kept under the hash of all that they depend on.

use std::path::Path;
use std::sync::Arc;

use compute::layout::Layout;
use compute::weights::Saved;
use compute::{DType, Tensor};
use experiment::DataAudio;
use modality_audio::{Features, KMeans};
use philox::Key;
use serde_json::Value as Json;

use super::samples::AudioSamples;
use super::units::{MOST_FRAMES, cache_file, keep, kept, kept_centres, settings_of};
use crate::boundary::{Call, Content, ForwardRequest, batch_object};
use crate::data::prepare::OnProgress;
use crate::error::{Error, Result};
use crate::loader::Catalogue;
use crate::models::{Opened, Pick};

/// Sounds that pass through the model together.
const AT_A_TIME: usize = 16;
/// What the model must have been made for, to hear sounds as they are here.
const HEARD: [&str; 7] =
    ["bins", "frames_per_unit", "rate", "features", "hop_milliseconds", "window_milliseconds", "normalise"];

/// Units of each sample, row by row.
pub(super) type Table = Arc<Vec<Vec<u32>>>;

/// A model that tells units.
pub(super) struct Teller {
    opened: Opened,
    /// The layers that run; none for codes.
    layers: Option<u32>,
    /// A hash of its weights, and of the layer.
    pub(super) hash: String,
    /// The number of different units, a blank included.
    pub(super) units: usize,
    /// The unit that stands for nothing, of a model that has one.
    pub(super) blank: Option<usize>,
}

impl Teller {
    /// Opens `data.unit_model`.
    ///
    /// # Errors
    /// When it cannot be opened, hears other sounds than these, or gives other units than `data.units`.
    pub(super) fn open(place: &Path, data: &DataAudio, facts: &Json, catalogue: &Catalogue) -> Result<Self> {
        let mut opened = Opened::open(place, &Pick { role: data.unit_role.clone(), ..Pick::default() }, catalogue)?;
        let fault = |text: String, help: &str| {
            Err(Error::new("data/units", format!("`{}`: {text}", place.display())).with_help(help.to_owned()))
        };
        let Some(heard) = opened.stored.facts.get("audio") else {
            return fault(
                "its model hears no sounds".into(),
                "name a run on sounds: `data.audio.unit_model = \"RUN\"`",
            );
        };
        let heard: Json = serde_json::from_str(heard).unwrap_or_default();
        for key in HEARD {
            if !heard[key].is_null() && heard[key] != facts[key] {
                let text = format!("its model was made for `{key}` = {}, and here it is {}", heard[key], facts[key]);
                return fault(
                    text,
                    "the units of a row must be of the same stretch of sound: set it as the model wants it",
                );
            }
        }
        let layer = data.unit_layer.map(|layer| layer as u32);
        let most = opened.model.description().num_layers;
        if let Some(layer) = layer.filter(|layer| *layer as usize > most) {
            return fault(format!("its model has no layer {layer}"), &format!("choose `unit_layer` from 0 to {most}"));
        }
        let codes = opened.said("codes").filter(|_| layer.is_none());
        let blank = codes.and_then(|_| opened.said("blank"));
        if let Some(codes) = codes.filter(|codes| *codes != data.units) {
            return fault(format!("its model gives {codes} units"), &format!("set `data.audio.units = {codes}`"));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{} {} {layer:?} {codes:?}", opened.stored.family, opened.stored.role).as_bytes());
        for Saved { name, shape, bytes, .. } in opened.context.weights.state()? {
            hasher.update(format!("{name} {shape:?}").as_bytes()).update(&bytes);
        }
        opened.forget_tensors();
        Ok(Self {
            layers: if codes.is_some() { None } else { Some(layer.unwrap_or(u32::MAX)) },
            hash: hasher.finalize().to_hex().to_string(),
            units: data.units + usize::from(blank.is_some()),
            blank,
            opened,
        })
    }

    /// Units of all samples of the parts, and of their second versions where these are always the same: not of the first part, that
    /// to learn from.
    ///
    /// # Errors
    /// A sound that cannot be read any more, fewer rows than units, the model's error.
    pub(super) fn tell(
        &self,
        parts: &[&AudioSamples],
        data: &DataAudio,
        on_progress: OnProgress<'_>,
    ) -> Result<Vec<(Table, Option<Table>)>> {
        let centres = match self.layers {
            Some(_) => Some(self.centres(parts[0], data, on_progress)?),
            None => None,
        };
        let mut told = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let clean = self.table(part, centres.as_ref(), false, on_progress)?;
            let again = number > 0 && !data.changes.is_empty();
            let changed = again.then(|| self.table(part, centres.as_ref(), true, on_progress));
            told.push((clean, changed.transpose()?));
        }
        Ok(told)
    }

    fn centres(&self, train: &AudioSamples, data: &DataAudio, on_progress: OnProgress<'_>) -> Result<KMeans> {
        let settings = settings_of(data);
        let file = cache_file(&format!("told 1 {} {settings:?} {}", self.hash, train.sounds_in_words()));
        if let Some(centres) = kept_centres(&file, data.units) {
            return Ok(centres);
        }
        let key = Key::root(data.seed).stream("units");
        let (mut parts, mut frames): (Vec<Features>, usize) = (Vec::new(), 0);
        for some in key.stream("sounds").permutation(train.count()).chunks(AT_A_TIME) {
            if frames >= MOST_FRAMES {
                break;
            }
            on_progress("finding units: what the model hears", frames as u64, 0);
            let Heard { rows, width, .. } = self.heard(train, some, false)?;
            frames += rows.len() / width;
            parts.push(Features::of_rows(rows, width)?);
        }
        on_progress("finding units", 0, 0);
        let centres = KMeans::fit(&Features::concatenated(parts)?, &settings, key.stream("centres"))?;
        let rows: Vec<&[f32]> = centres.centres().chunks_exact(centres.bins()).collect();
        // What is not kept is found again.
        let _ = keep(&file, &rows);
        Ok(centres)
    }

    fn table(
        &self,
        part: &AudioSamples,
        centres: Option<&KMeans>,
        changed: bool,
        on_progress: OnProgress<'_>,
    ) -> Result<Table> {
        let mut hasher = blake3::Hasher::new();
        for value in centres.into_iter().flat_map(KMeans::centres) {
            hasher.update(&value.to_le_bytes());
        }
        let version = if changed { part.changes_in_words() } else { String::new() };
        let what = format!("table 1 {} {} {} {version}", self.hash, hasher.finalize().to_hex(), part.sounds_in_words());
        let file = cache_file(&what);
        let fits = |table: &Vec<Vec<u32>>| {
            table.len() == part.count() && table.iter().flatten().all(|unit| (*unit as usize) < self.units)
        };
        if let Some(table) = kept::<Vec<Vec<u32>>>(&file).filter(fits) {
            return Ok(Arc::new(table));
        }
        let mut table: Vec<Vec<u32>> = Vec::with_capacity(part.count());
        let all: Vec<usize> = (0..part.count()).collect();
        for some in all.chunks(AT_A_TIME) {
            on_progress("telling units", table.len() as u64, 0);
            let Heard { rows, width, lengths } = self.heard(part, some, changed)?;
            let units: Vec<u32> = match centres {
                Some(centres) => centres.assign(&Features::of_rows(rows, width)?),
                None => rows.iter().map(|code| *code as u32).collect(),
            };
            if let Some(odd) = units.iter().find(|unit| **unit as usize >= self.units) {
                return Err(Error::new("data/units", format!("the model gives the unit {odd} of {}", self.units)));
            }
            let mut left = units.as_slice();
            for length in lengths {
                let (own, rest) = left.split_at(length);
                table.push(own.to_vec());
                left = rest;
            }
        }
        let _ = keep(&file, &table);
        Ok(Arc::new(table))
    }

    /// What the model makes of some samples, row by row: a layer's numbers, or the code.
    fn heard(&self, part: &AudioSamples, samples: &[usize], changed: bool) -> Result<Heard> {
        let sounds = samples.iter().map(|sample| part.heard(*sample, changed)).collect::<Result<Vec<_>>>()?;
        let bins = part.bins();
        let most = sounds.iter().map(|(features, _)| features.len()).max().unwrap_or(0);
        let mut padded: Vec<f32> = Vec::with_capacity(most * sounds.len());
        for (place, (features, _)) in sounds.iter().enumerate() {
            padded.extend_from_slice(features);
            padded.resize((place + 1) * most, 0.0);
        }
        let features_bfm = Tensor::from_slice(&padded, &[sounds.len(), most / bins, bins], self.opened.device())?;
        let lengths: Vec<usize> = sounds.iter().map(|(_, rows)| *rows).collect();
        let keys: Vec<u64> = samples.iter().map(|sample| *sample as u64).collect();
        let layout = Layout::new(&lengths, &keys)?;
        let wanted: &[&str] = if self.layers.is_none() { &["codes"] } else { &[] };
        let request = ForwardRequest {
            workflow: "encode",
            inputs: &batch_object([("features".to_owned(), Content::from(features_bfm))])?,
            layout: &layout,
            masks: &[],
            layers: 0..self.layers.unwrap_or(u32::MAX),
            wanted,
        };
        let outputs = self.opened.model.forward(&Call::new(self.opened.evaluation()), &request)?;
        let Content::Batch(outputs) = outputs.content() else {
            return Err(Error::new("host/output", "the outputs changed their kind"));
        };
        let rows = compute::ops::cast(&outputs.tensor(wanted.first().unwrap_or(&"hidden"))?, DType::F32)?;
        let width = if wanted.is_empty() { rows.dims().last().copied().unwrap_or(1).max(1) } else { 1 };
        let numbers = rows.value().flatten_all().and_then(|values| values.to_vec1::<f32>());
        Ok(Heard { rows: numbers.map_err(compute::Error::from)?, width, lengths })
    }
}

/// Rows of some samples.
struct Heard {
    rows: Vec<f32>,
    /// Numbers of a row.
    width: usize,
    /// Rows of each sample.
    lengths: Vec<usize>,
}

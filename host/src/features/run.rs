//! The pass over the input: batches in, tensors written as they come.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use compute::layout::Layout;
use compute::{DType, Tensor};
use records::{Dtype, TensorWriter};

use super::input::{Line, Side};
use crate::boundary::{Call, Content};
use crate::error::{Error, Result};
use crate::models::Opened;

/// What is written, and how much is done at once.
#[derive(Debug, Clone)]
pub struct FeatureOptions {
    /// The file to make.
    pub output: PathBuf,
    /// Rows that go through the model together.
    pub batch: usize,
    /// Whether to write what heads make of hidden states.
    pub logits: bool,
    /// Positions count real tokens alone, whatever the family does.
    pub skip_padding: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// Name and shape of each tensor.
    pub tensors: Vec<(String, Vec<usize>)>,
    /// Rows that the model saw: tokens, or patches with their class tokens.
    pub tokens: usize,
}

/// Heads and the names of what they give.
const HEADS: [(&str, &str); 3] = [("tokens", "logits"), ("classes", "classes"), ("scalar", "scalar")];

/// Runs a model over rows and writes, padded to the longest:
///
/// - `last_hidden_state` `[b, t, d]`; `pooled` `[b, d]`, its mean over real tokens; `first` `[b, d]`, that of the first one;
/// - by head: `logits` `[b, t, v]`, `classes` `[b, t, c]`, `scalar` `[b, t]`;
/// - `input_ids` and `attention_mask` `[b, t]`, i64, as the model saw them.
///
/// Of an encoder–decoder with `decoder_input_ids`, `last_hidden_state` and `logits` are the decoder's, `encoder_last_hidden_state`
/// the encoder's; `pooled` and `first` are always the encoder's.
///
/// # Errors
/// When a row is too long for the model, the model fails, or the file is there already.
pub fn features(
    opened: &Opened,
    rows: &[Line],
    options: &FeatureOptions,
    on_progress: &mut dyn FnMut(u64, u64),
) -> Result<Features> {
    let pass = Pass::new(opened, rows, options)?;
    let shapes = pass.shapes()?;
    let announced: Vec<(&str, Dtype, Vec<usize>)> = shapes
        .iter()
        .map(|(name, shape)| {
            let is_ids = name == "input_ids" || name == "attention_mask";
            (name.as_str(), if is_ids { Dtype::I64 } else { Dtype::F32 }, shape.clone())
        })
        .collect();
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let mut out = Out { writer: TensorWriter::create(&options.output, &announced, &metadata)?, shapes };
    let total = rows.len().div_ceil(pass.batch) as u64;
    on_progress(0, total);
    for (number, batch) in rows.chunks(pass.batch).enumerate() {
        pass.batch(batch, number * pass.batch, &mut out)?;
        on_progress(number as u64 + 1, total);
    }
    let Out { writer, shapes } = out;
    writer.finish()?;
    let tokens = rows.iter().map(|row| row.tokens.ids.len() + row.decoder.as_ref().map_or(0, |side| side.ids.len()));
    Ok(Features { tensors: shapes.into_iter().collect(), tokens: tokens.sum() })
}

/// The file under construction, with the shapes of its tensors.
struct Out {
    writer: TensorWriter,
    shapes: BTreeMap<String, Vec<usize>>,
}

impl Out {
    /// Writes `values`, rows of `width` numbers, one for each place of a row of the tensor.
    fn places(&mut self, name: &str, row: usize, places: &[usize], values: &[f32]) -> Result<()> {
        let Some(shape) = self.shapes.get(name) else { return Ok(()) };
        let (length, width) = (shape[1], shape.get(2).copied().unwrap_or(1));
        if values.len() != places.len() * width {
            let text = format!("`{name}` has {} numbers for {} tokens of {width}", values.len(), places.len());
            return Err(Error::new("plugin/shape", text));
        }
        let mut start = 0;
        while start < places.len() {
            // Neighbours are written together.
            let run = (start..places.len()).take_while(|at| places[*at] == places[start] + at - start).count();
            let bytes: Vec<u8> =
                values[start * width..(start + run) * width].iter().flat_map(|value| value.to_le_bytes()).collect();
            let offset = (row * length + places[start]) * width * 4;
            self.writer.write_at(name, offset as u64, &bytes)?;
            start += run;
        }
        Ok(())
    }

    fn row(&mut self, name: &str, row: usize, values: &[f32]) -> Result<()> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Ok(self.writer.write_at(name, (row * values.len() * 4) as u64, &bytes)?)
    }

    fn ids(&mut self, row: usize, side: &Side) -> Result<()> {
        let length = self.shapes.get("input_ids").map_or(0, |shape| shape[1]);
        for (id, place) in side.ids.iter().zip(&side.places) {
            let offset = ((row * length + place) * 8) as u64;
            self.writer.write_at("input_ids", offset, &i64::from(*id).to_le_bytes())?;
            self.writer.write_at("attention_mask", offset, &1i64.to_le_bytes())?;
        }
        Ok(())
    }
}

struct Pass<'a> {
    opened: &'a Opened,
    rows: &'a [Line],
    batch: usize,
    heads: Vec<(&'static str, &'static str)>,
    call: Arc<Call>,
    width: usize,
    vocabulary: usize,
    /// Positions count real tokens alone.
    skips_padding: bool,
}

impl<'a> Pass<'a> {
    fn new(opened: &'a Opened, rows: &'a [Line], options: &FeatureOptions) -> Result<Self> {
        let decodes = opened.said("decoder_layers").is_some_and(|layers| layers > 0);
        let has_decoder = rows.iter().any(|row| row.decoder.is_some());
        if has_decoder && !decodes {
            return Err(Error::new("data/input", "the rows have `decoder_input_ids`, the model has no decoder"));
        }
        // The heads of an encoder–decoder are its decoder's.
        let with_heads = options.logits && (has_decoder || !decodes);
        let heads = HEADS.into_iter().filter(|(kind, _)| with_heads && opened.heads.contains_key(*kind)).collect();
        let said: serde_json::Value = serde_json::from_str(&opened.model.description().json).unwrap_or_default();
        let pass = Self {
            opened,
            rows,
            batch: options.batch.max(1),
            heads,
            call: Call::new(opened.evaluation()),
            width: opened.model.description().width,
            vocabulary: opened.vocabulary()?.size as usize,
            skips_padding: options.skip_padding || said["positions_skip_padding"] == true,
        };
        pass.check_lengths()?;
        Ok(pass)
    }

    fn check_lengths(&self) -> Result<()> {
        let Some(most) = self.opened.said("maximum_length") else { return Ok(()) };
        for (number, row) in self.rows.iter().enumerate() {
            for side in [Some(&row.tokens), row.decoder.as_ref()].into_iter().flatten() {
                if let Some(last) = self.positions(side).into_iter().max().filter(|last| *last as usize >= most) {
                    let text = format!("row {} reaches position {last}, the model reads {most}", number + 1);
                    return Err(Error::new("data/input", text).with_help("cut texts: `--max-length N`"));
                }
            }
        }
        Ok(())
    }

    fn positions(&self, side: &Side) -> Vec<u32> {
        match &side.positions {
            Some(positions) => positions.clone(),
            None if self.skips_padding => (0..side.ids.len() as u32).collect(),
            None => side.places.iter().map(|place| *place as u32).collect(),
        }
    }

    /// Shapes of what is written, by name.
    fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>> {
        let b = self.rows.len();
        let longest = |side: fn(&Line) -> Option<&Side>| {
            self.rows.iter().filter_map(side).map(|side| side.length).max().unwrap_or(0)
        };
        let t = longest(|row| Some(&row.tokens));
        let has_decoder = self.rows.iter().any(|row| row.decoder.is_some());
        let out = if has_decoder { longest(|row| row.decoder.as_ref()) } else { t };
        let mut shapes = BTreeMap::from([
            ("last_hidden_state".to_owned(), vec![b, out, self.width]),
            ("pooled".to_owned(), vec![b, self.width]),
            ("first".to_owned(), vec![b, self.width]),
            ("input_ids".to_owned(), vec![b, t]),
            ("attention_mask".to_owned(), vec![b, t]),
        ]);
        if has_decoder {
            shapes.insert("encoder_last_hidden_state".to_owned(), vec![b, t, self.width]);
        }
        for (kind, name) in &self.heads {
            let size = self.opened.heads.get(*kind).map_or(0, |head| head.size as usize);
            let mut shape = vec![b, out];
            match (*kind, size) {
                ("tokens", 0) => shape.push(self.vocabulary),
                ("scalar", _) => {}
                (_, size) => shape.push(size),
            }
            shapes.insert((*name).to_owned(), shape);
        }
        Ok(shapes)
    }

    /// Runs some rows, the first of them number `first`, and writes what comes out.
    fn batch(&self, rows: &[Line], first: usize, out: &mut Out) -> Result<()> {
        let (numbers, real): (Vec<usize>, Vec<&Line>) = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| !row.tokens.ids.is_empty())
            .map(|(at, row)| (first + at, row))
            .unzip();
        if real.is_empty() {
            return Ok(());
        }
        let sides: Vec<&Side> = real.iter().map(|row| &row.tokens).collect();
        let layout = self.layout(&sides, &numbers)?;
        let hidden_nd = self.opened.hidden(&self.call, "encode", self.inputs(&sides)?, &layout)?;
        let hidden = numbers_of(&hidden_nd)?;
        let decoders: Option<Vec<&Side>> = real.iter().map(|row| row.decoder.as_ref()).collect();
        let name = if decoders.is_some() { "encoder_last_hidden_state" } else { "last_hidden_state" };
        let mut start = 0;
        for (number, side) in numbers.iter().zip(&sides) {
            let own = &hidden[start * self.width..(start + side.ids.len()) * self.width];
            out.ids(*number, side)?;
            out.places(name, *number, &side.places, own)?;
            out.row("first", *number, &own[..self.width])?;
            out.row("pooled", *number, &mean(own, self.width))?;
            start += side.ids.len();
        }
        match decoders {
            None => self.write_heads(&hidden_nd, &sides, &numbers, out),
            Some(sides) => self.decode(&sides, &numbers, hidden_nd, layout, out),
        }
    }

    fn decode(
        &self,
        sides: &[&Side],
        numbers: &[usize],
        memory: Tensor,
        memory_layout: Layout,
        out: &mut Out,
    ) -> Result<()> {
        if sides.iter().any(|side| side.ids.is_empty()) {
            return Err(Error::new("data/input", "a row has no real `decoder_input_ids`"));
        }
        let layout = self.layout(sides, numbers)?;
        let mut inputs = self.inputs(sides)?;
        inputs.push(("memory".to_owned(), Content::from(memory)));
        inputs.push(("memory.layout".to_owned(), Content::Layout(memory_layout)));
        let hidden_nd = self.opened.hidden(&self.call, "decode", inputs, &layout)?;
        let hidden = numbers_of(&hidden_nd)?;
        let mut start = 0;
        for (number, side) in numbers.iter().zip(sides) {
            let own = &hidden[start * self.width..(start + side.ids.len()) * self.width];
            out.places("last_hidden_state", *number, &side.places, own)?;
            start += side.ids.len();
        }
        self.write_heads(&hidden_nd, sides, numbers, out)
    }

    fn write_heads(&self, hidden_nd: &Tensor, sides: &[&Side], numbers: &[usize], out: &mut Out) -> Result<()> {
        for (kind, name) in &self.heads {
            let Some(logits) = self.opened.logits(&self.call, kind, hidden_nd.clone())? else { continue };
            let width = logits.dims().last().copied().unwrap_or(1);
            let logits = numbers_of(&logits)?;
            let mut start = 0;
            for (number, side) in numbers.iter().zip(sides) {
                let own = &logits[start * width..(start + side.ids.len()) * width];
                out.places(name, *number, &side.places, own)?;
                start += side.ids.len();
            }
        }
        Ok(())
    }

    fn layout(&self, sides: &[&Side], numbers: &[usize]) -> Result<Layout> {
        let lengths: Vec<usize> = sides.iter().map(|side| side.ids.len()).collect();
        let keys: Vec<u64> = numbers.iter().map(|number| *number as u64).collect();
        let positions = sides.iter().flat_map(|side| self.positions(side)).collect();
        Ok(Layout::new(&lengths, &keys)?.with_positions(positions)?)
    }

    fn inputs(&self, sides: &[&Side]) -> Result<Vec<(String, Content)>> {
        let tensor = |ids: Vec<u32>| Tensor::from_slice(&ids, &[ids.len()], self.opened.device());
        let tokens = tensor(sides.iter().flat_map(|side| side.ids.iter().copied()).collect())?;
        let mut inputs = vec![("tokens".to_owned(), Content::from(tokens))];
        if sides.iter().any(|side| side.types.is_some()) {
            let types = sides.iter().flat_map(|side| side.types.clone().unwrap_or_else(|| vec![0; side.ids.len()]));
            inputs.push(("token_types".to_owned(), Content::from(tensor(types.collect())?)));
        }
        Ok(inputs)
    }
}

/// The elements of a tensor in f32.
pub(crate) fn numbers_of(tensor: &Tensor) -> Result<Vec<f32>> {
    let tensor = compute::ops::cast(tensor, DType::F32)?;
    let numbers = tensor.value().flatten_all().and_then(|values| values.to_vec1::<f32>());
    Ok(numbers.map_err(compute::Error::from)?)
}

/// The mean of rows of `width` numbers, summed in f64.
pub(super) fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let count = (rows.len() / width).max(1) as f64;
    (0..width)
        .map(|at| (rows.iter().skip(at).step_by(width).map(|value| f64::from(*value)).sum::<f64>() / count) as f32)
        .collect()
}

/// Refuses an output that cannot be made before the model is opened.
///
/// # Errors
/// When there is something at `path`.
pub(crate) fn check_output(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(Error::new("run/exists", format!("`{}` is there already", path.display()))
            .with_help("nothing was written: choose another file, or remove that one"));
    }
    Ok(())
}

//! What a model makes of pictures: hidden states of their patches, pooled vectors, what heads make of them.

use std::path::Path;

use compute::Tensor;
use compute::layout::Layout;
use records::{Dtype, TensorBytes, TensorFile};

use super::collected::Collected;
use super::run::{Features, mean, numbers_of};
use crate::boundary::{Call, Content};
use crate::error::{Error, Result};
use crate::models::{Opened, PictureSize};

/// Pixels of some pictures.
pub struct Pixels {
    /// Row by row `[b, c, h, w]`, f32 in the model's own range.
    values_bchw: Vec<f32>,
    pictures: usize,
    size: PictureSize,
}

impl Pixels {
    /// How many pictures there are.
    #[must_use]
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    /// Reads the tensor `pixels` (or `pixel_values`) `[b, c, h, w]`, f32, of a `safetensors` file.
    ///
    /// # Errors
    /// When there is none, or it is not of the size that the model was made for.
    pub fn read(file: &Path, size: PictureSize) -> Result<Self> {
        let PictureSize { height, width, channels } = size;
        let fault = |what: String| {
            Error::new("data/input", format!("`{}` {what}", file.display())).with_help(format!(
                "give a safetensors file with `pixels`, f32 [pictures, {channels}, {height}, {width}], scaled as the model was \
                 trained"
            ))
        };
        let opened = TensorFile::open(file).map_err(|error| fault(format!("is no safetensors file: {error}")))?;
        let tensors = opened.tensors()?;
        let found = tensors.into_iter().find(|tensor| tensor.name == "pixels" || tensor.name == "pixel_values");
        let Some(TensorBytes { name, dtype, shape, bytes }) = found else {
            return Err(fault("has no tensor `pixels`".into()));
        };
        if dtype != Dtype::F32 {
            return Err(fault(format!("has `{name}` in {dtype:?}")));
        }
        match *shape.as_slice() {
            [pictures, c, h, w] if pictures > 0 && [c, h, w] == [channels, height, width] => {
                let values_bchw = bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
                Ok(Self { values_bchw, pictures, size })
            }
            _ => Err(fault(format!("has `{name}` of shape {shape:?}"))),
        }
    }
}

/// Runs a model over pictures, `batch` at once, and writes with t rows of a picture, its class token first where it has one:
///
/// - `last_hidden_state` `[b, t, d]`; `pooled` `[b, d]`, the mean over the patches; `first` `[b, d]`, the first row;
/// - by head: `classes` `[b, c]` of the vector that the family pools (the class token, or the mean), `logits` `[b, l, v]` and
///   `values` `[b, l, k]` of each of the l patches.
///
/// # Errors
/// When the model is not of pictures, or fails.
pub fn picture_features(
    opened: &Opened,
    pixels: &Pixels,
    output: &Path,
    batch: usize,
    with_heads: bool,
    on_progress: &mut dyn FnMut(u64, u64),
) -> Result<Features> {
    let PictureSize { height, width: columns, channels } = pixels.size;
    let rows = opened.said("rows").ok_or_else(|| {
        Error::new("plugin/describe", format!("the family `{}` does not say its rows", opened.stored.family))
    })?;
    let said: serde_json::Value = serde_json::from_str(&opened.model.description().json).unwrap_or_default();
    let class_rows = usize::from(said["class_token"] == true);
    let pools_mean = said["pooling"] == "mean" || class_rows == 0;
    let (width, call) = (opened.model.description().width, Call::new(opened.evaluation()));
    let mut found = Collected::default();
    let numbers: Vec<u64> = (0..pixels.pictures as u64).collect();
    let total = pixels.pictures.div_ceil(batch.max(1)) as u64;
    on_progress(0, total);
    for (done, keys) in numbers.chunks(batch.max(1)).enumerate() {
        let (b, each) = (keys.len(), channels * height * columns);
        let first = keys[0] as usize * each;
        let own = &pixels.values_bchw[first..first + b * each];
        let pixels_bchw = Tensor::from_slice(own, &[b, channels, height, columns], opened.device())?;
        let layout = Layout::new(&vec![rows; b], keys)?;
        let inputs = [("pixels".to_owned(), Content::from(pixels_bchw))];
        let hidden_nd = opened.hidden(&call, "image", inputs, &layout)?;
        let hidden = numbers_of(&hidden_nd)?;
        let pictures: Vec<&[f32]> = hidden.chunks(rows * width).collect();
        let pooled: Vec<f32> = pictures.iter().flat_map(|rows| mean(&rows[class_rows * width..], width)).collect();
        let first: Vec<f32> = pictures.iter().flat_map(|rows| rows[..width].to_vec()).collect();
        for (kind, name) in [("classes", "classes"), ("tokens", "logits"), ("values", "values")] {
            if !with_heads || !opened.heads.contains_key(kind) {
                continue;
            }
            let of_picture = kind == "classes";
            let read: Vec<f32> = match of_picture {
                true if pools_mean => pooled.clone(),
                true => first.clone(),
                false => pictures.iter().flat_map(|rows| rows[class_rows * width..].to_vec()).collect(),
            };
            let read = Tensor::from_slice(&read, &[read.len() / width, width], opened.device())?;
            let Some(made) = opened.logits(&call, kind, read)? else { continue };
            let outputs = made.dims().last().copied().unwrap_or(1);
            let dims = if of_picture { vec![b, outputs] } else { vec![b, rows - class_rows, outputs] };
            found.add(name, &dims, numbers_of(&made)?);
        }
        found.add("pooled", &[b, width], pooled);
        found.add("first", &[b, width], first);
        found.add("last_hidden_state", &[b, rows, width], hidden);
        on_progress(done as u64 + 1, total);
    }
    found.write(output, rows * pixels.pictures)
}

//! A vision transformer in a role, as this plugin looks at one.

use plugin_api::Json;
use plugin_api::prelude::*;

/// A model of pictures with what it says of itself.
pub(crate) struct Vision {
    pub(crate) model: Model,
    pub(crate) width: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    /// Rows before those of the patches.
    pub(crate) class_rows: usize,
    /// Patches of a picture, and the side of one in pixels.
    pub(crate) patches: usize,
    pub(crate) patch_size: usize,
}

impl Vision {
    pub(crate) fn new(scope: &Scope, role: &str) -> Result<Self> {
        let model = scope.model(role)?;
        let described = model.describe()?;
        let number = |name: &str| described.get(name).and_then(Json::as_u64).map(|number| number as usize);
        let class_token = described.get("class_token").and_then(Json::as_bool);
        let (Some(rows), Some(heads), Some(patch_size), Some(class_token)) =
            (number("rows"), number("num_heads"), number("patch_size"), class_token)
        else {
            let fact = format!("the model `{role}` does not say its patches and heads");
            return Err(Error::new("plugin/family", fact).help("choose a family for pictures: `family = \"vit\"`"));
        };
        let class_rows = usize::from(class_token);
        let patches = rows - class_rows;
        Ok(Self { width: described.width, layers: described.num_layers, model, heads, class_rows, patches, patch_size })
    }

    /// Rows of a picture of which `patches` are there.
    pub(crate) fn rows(&self, patches: usize) -> usize {
        self.class_rows + patches
    }

    /// The layout of as many pictures as there are keys, with `patches` of each.
    pub(crate) fn layout(&self, keys_b: &Tensor, patches: usize) -> Result<Layout> {
        Ok(Layout::with_keys(&Tensor::full(&[keys_b.count()?], self.rows(patches) as f64, DType::U32), keys_b))
    }

    /// The rows, in the layout of whole pictures, of the patches that each picture has kept.
    pub(crate) fn rows_of(&self, kept: &[Vec<usize>]) -> Tensor {
        let rows = |(picture, kept): (usize, &Vec<usize>)| {
            let first = picture * self.rows(self.patches) + self.class_rows;
            kept.iter().map(move |patch| (first + patch) as i64).collect::<Vec<_>>()
        };
        let rows: Vec<i64> = kept.iter().enumerate().flat_map(rows).collect();
        Tensor::new(&rows, &[rows.len()])
    }

    /// The names of queries, keys and values of a layer.
    pub(crate) fn parts(layer: usize) -> [String; 3] {
        ["query", "key", "value"].map(|part| format!("layers.{layer}.attention.{part}"))
    }
}

/// A layer counted from the end where it is negative: −1 is the last.
pub(crate) fn layer(setting: &str, told: i64, layers: usize) -> Result<usize> {
    let found = if told < 0 { layers as i64 + told } else { told };
    usize::try_from(found).ok().filter(|layer| *layer < layers).ok_or_else(|| {
        Error::setting(setting, format!("is {told}, and there are {layers} layers"))
            .help(format!("choose one from 0 to {}, or from the end: −1 is the last", layers.saturating_sub(1)))
    })
}

/// Dropout goes by a key that belongs to the picture, whatever else is in the batch.
pub(crate) fn add_keys(samples: &Samples<'_>) -> Result<()> {
    let key = |sample: Sample<'_>| Ok((sample.uniforms("key", 1)?[0] * (1_u64 << 52) as f64) as i64);
    samples.add("hybrid.keys", &samples.iter().map(key).collect::<Result<Vec<_>>>()?)
}

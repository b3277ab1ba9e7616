//! Teaches a tokenizer of pictures: what its codes stand for shall be what it was given.
//!
//! van den Oord et al. 2017, arXiv:1711.00937, section 3.2, the first term; what else a family wants of its codes it adds itself.
//! Axes: b pictures, m patches of all, p features of a patch.

mod usage;

use plugin_api::Json;
use plugin_api::nn::{patches, pictures};
use plugin_api::prelude::*;

pub use usage::Usage;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct AutoencodeSettings {
    /// How far pixels are from what they should be: by squares, or by absolute differences.
    #[setting(default = "mse", choices = ["mse", "l1"])]
    distance: String,
}

/// The objective.
pub struct Autoencode {
    squares: bool,
    tokenizer: Model,
    pictures: Pictures,
    rows: usize,
    codes: usize,
    patch_size: usize,
}

impl Objective for Autoencode {
    type Settings = AutoencodeSettings;

    fn new(settings: AutoencodeSettings, scope: &Scope) -> Result<Self> {
        let pictures = scope.pictures()?;
        let tokenizer = scope.model("tokenizer")?;
        let described = tokenizer.describe()?;
        let number =
            |name: &str| described.get(name).and_then(Json::as_u64).and_then(|number| usize::try_from(number).ok());
        let (Some(rows), Some(codes), Some(patch_size)) = (number("rows"), number("codes"), number("patch_size"))
        else {
            let fact = "the model `tokenizer` gives no codes for patches";
            return Err(Error::new("plugin/family", fact).help("choose a family like `fsq`"));
        };
        Ok(Self { squares: settings.distance == "mse", tokenizer, pictures, rows, codes, patch_size })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let pixels_bchw = batch.tensor("image.pixels")?;
        let layout = Layout::with_keys(&batch.tensor("autoencode.rows")?, &batch.tensor("autoencode.keys")?);
        let pass = self.tokenizer.pass(&layout).workflow("tokenize").input("pixels", &pixels_bchw);
        let output = pass.want("reconstruction").want("codes").run()?;
        let found_mp = output.get("reconstruction")?;
        let Pictures { height, width, channels } = self.pictures;
        let given_mp = patches(&pixels_bchw, [channels, height, width], self.patch_size).cast(found_mp.dtype()?);
        let distances_mp = if self.squares { found_mp.mse(&given_mp) } else { found_mp.l1(&given_mp) };
        let loss = Loss::sum_over(&distances_mp.mean_axes(&[-1], false));
        if training() {
            return Ok(loss);
        }
        let found_bchw = pictures(&found_mp.cast(DType::F32), [channels, height, width], self.patch_size);
        let loss = loss.pictures("as it is, what its codes stand for", &[&pixels_bchw.cast(DType::F32), &found_bchw]);
        Ok(loss.item_rows_for_figures("codes", output.get("codes")?, &layout))
    }
}

impl Autoencode {
    fn usage(&self, items: &Items) -> Result<Usage> {
        let mut usage = Usage::new(self.codes);
        items.lists("codes")?.iter().flatten().for_each(|code| usage.count(*code as usize));
        Ok(usage)
    }
}

impl Collate for Autoencode {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let mut keys = Vec::with_capacity(samples.len());
        for sample in samples.iter() {
            keys.push((sample.uniforms("key", 1)?[0] * (1_u64 << 52) as f64) as i64);
        }
        samples.add("autoencode.keys", &keys)?;
        samples.add("autoencode.rows", &vec![self.rows as u32; samples.len()])
    }
}

impl Figures for Autoencode {
    /// How often each code occurs, the most frequent white, by the logarithm: code 0 at the left of the top row.
    fn maps(&self, items: &Items) -> Result<Vec<(String, Tensor)>> {
        let map = self.usage(items)?.map();
        let columns = map.len().isqrt().max(1);
        Ok(vec![("codes by how often they occur".to_owned(), Tensor::new(&map, &[map.len() / columns, columns]))])
    }

    /// Over all held-out pictures: `usage`, the share of codes that occur; `perplexity` of the codes.
    fn figures(&self, items: &Items) -> Result<Vec<(String, f64)>> {
        let usage = self.usage(items)?;
        Ok(vec![("usage".to_owned(), usage.share()), ("perplexity".to_owned(), usage.perplexity())])
    }
}

export_plugin! { name: "autoencode", provides: [Objective<Autoencode>, Collate<Autoencode>, Figures<Autoencode>] }

//! BEiT: hide blocks of patches, predict the codes that a frozen tokenizer gives them.
//!
//! Bao et al. 2021, arXiv:2106.08254. Any family that gives a code for each patch (`fsq`, `vq`) is a tokenizer. Axes: b pictures,
//! l patches of a picture, m patches of all, c hidden ones of all, n rows, d width, v codes.

pub mod blocks;

use plugin_api::Json;
use plugin_api::prelude::*;

use blocks::Grid;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct BeitSettings {
    /// Share of the patches that are hidden, their count rounded down: 75 of 196.
    #[setting(default = 0.383, range = 0.0..=1.0)]
    mask_rate: f64,
    /// Hidden patches lie in blocks, or each by itself.
    #[setting(default = "blocks", choices = ["blocks", "random"])]
    mask: String,
    /// Least number of patches of a block, before it is cut off.
    #[setting(default = 16, range = 1..=65536)]
    least_block: usize,
}

/// The objective.
pub struct Beit {
    grid: Grid,
    hidden: usize,
    least_block: usize,
    in_blocks: bool,
    class_rows: usize,
    encoder: Model,
    tokenizer: Model,
    head: Head,
}

impl Objective for Beit {
    type Settings = BeitSettings;

    fn new(settings: BeitSettings, scope: &Scope) -> Result<Self> {
        let Pictures { height, width, .. } = scope.pictures()?;
        let (encoder, tokenizer) = (scope.model("encoder")?, scope.model("tokenizer")?);
        let (described, of_tokenizer) = (encoder.describe()?, tokenizer.describe()?);
        let number = |description: &Description, name: &str| {
            description.get(name).and_then(Json::as_u64).and_then(|number| usize::try_from(number).ok())
        };
        let flag = |name: &str| described.get(name).and_then(Json::as_bool);
        let (Some(size), Some(class_token)) = (number(&described, "patch_size"), flag("class_token")) else {
            let fact = "the model `encoder` does not say how it cuts pictures into patches";
            return Err(Error::new("plugin/family", fact).help("choose a family for pictures: `family = \"vit\"`"));
        };
        if flag("mask_token") != Some(true) {
            let fact = "the model `encoder` has no vector that stands in for hidden patches";
            return Err(Error::new("plugin/family", fact).help("set `mask_token = true` in `[model.encoder]`"));
        }
        let (Some(codes), Some(places)) = (number(&of_tokenizer, "codes"), number(&of_tokenizer, "rows")) else {
            let fact = "the model `tokenizer` gives no codes";
            return Err(
                Error::new("plugin/family", fact).help("choose a family like `fsq`, trained and `frozen = true`")
            );
        };
        let grid = Grid { rows: height / size, columns: width / size };
        if places != grid.patches() {
            let fact = format!("the tokenizer gives {places} codes, the encoder has {} patches", grid.patches());
            return Err(Error::new("plugin/family", fact).help("choose the same `patch_size` for both"));
        }
        let hidden = (grid.patches() as f64 * settings.mask_rate + 1e-9) as usize;
        if hidden == 0 {
            let fact = format!("is {}, which hides none of {} patches", settings.mask_rate, grid.patches());
            return Err(Error::setting("mask_rate", fact).help("raise it: there would be nothing to predict"));
        }
        Ok(Self {
            head: encoder.code_head(scope, codes)?,
            least_block: settings.least_block,
            in_blocks: settings.mask == "blocks",
            class_rows: usize::from(class_token),
            grid,
            hidden,
            encoder,
            tokenizer,
        })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let keys_b = batch.tensor("beit.keys")?;
        let layout = Layout::with_keys(&batch.tensor("beit.rows")?, &keys_b);
        let (pixels_bchw, masked_m) = (batch.tensor("image.pixels")?, batch.tensor("beit.masked")?);
        let places = Layout::with_keys(&batch.tensor("beit.patches")?, &keys_b);
        let read =
            self.tokenizer.pass(&places).workflow("tokenize").input("pixels", &pixels_bchw).want("codes").run()?;
        let codes_c = read.get("codes")?.stop_gradient().index_select(0, batch.tensor("beit.hidden")?);
        let pass =
            self.encoder.pass(&layout).workflow("image").input("pixels", &pixels_bchw).input("masked", &masked_m);
        let hidden_nd = pass.run()?.hidden().clone();
        // No loss looks at the other rows.
        let logits_cv = self.head.apply(&hidden_nd.index_select(0, batch.tensor("beit.predicted")?))?;
        let accuracy_c = logits_cv.argmax(-1).eq(&codes_c);
        let counts = Layout::with_keys(&batch.tensor("beit.counts")?, &keys_b);
        Ok(Loss::sum_over(&logits_cv.cross_entropy(&codes_c))
            .metric("accuracy", &accuracy_c)
            .item_rows_for_figures("codes", &codes_c, &counts)
            .item_rows_for_figures("right", &accuracy_c, &counts))
    }
}

impl Collate for Beit {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let patches = self.grid.patches();
        let rows = patches + self.class_rows;
        let (mut masked, mut hidden, mut predicted) = (Vec::new(), Vec::<i64>::new(), Vec::<i64>::new());
        let mut keys = Vec::new();
        for sample in samples.iter() {
            let own = if self.in_blocks {
                self.grid.blocks(self.hidden, self.least_block, |number| {
                    let draws = sample.uniforms_from("blocks", 4 * number as u64, 4)?;
                    Ok::<_, Error>([draws[0], draws[1], draws[2], draws[3]])
                })?
            } else {
                self.grid.scattered(self.hidden, &sample.uniforms("mask", patches)?)
            };
            for (patch, _) in own.iter().enumerate().filter(|(_, masked)| **masked) {
                hidden.push((sample.index() * patches + patch) as i64);
                predicted.push((sample.index() * rows + self.class_rows + patch) as i64);
            }
            masked.extend(own);
            // Dropout goes by a key that belongs to the picture, whatever else is in the batch.
            keys.push((sample.uniforms("key", 1)?[0] * (1_u64 << 52) as f64) as i64);
        }
        samples.add("beit.masked", &masked)?;
        samples.add("beit.hidden", &hidden)?;
        samples.add("beit.predicted", &predicted)?;
        samples.add("beit.keys", &keys)?;
        samples.add("beit.counts", &vec![self.hidden as u32; samples.len()])?;
        samples.add("beit.rows", &vec![rows as u32; samples.len()])?;
        samples.add("beit.patches", &vec![patches as u32; samples.len()])
    }
}

impl Figures for Beit {
    /// `majority`: the accuracy of naming the most frequent hidden code everywhere; `above_majority`: what is right beyond it.
    fn figures(&self, items: &Items) -> Result<Vec<(String, f64)>> {
        let mut counts = std::collections::BTreeMap::<u64, usize>::new();
        let codes = items.lists("codes")?.iter().flatten();
        codes.for_each(|code| *counts.entry(*code as u64).or_default() += 1);
        let (most, all) = (counts.values().max().copied().unwrap_or(0), counts.values().sum::<usize>());
        let majority = most as f64 / all.max(1) as f64;
        let right: f64 = items.lists("right")?.iter().flatten().sum();
        let above = right / all.max(1) as f64 - majority;
        Ok(vec![("majority".to_owned(), majority), ("above_majority".to_owned(), above)])
    }
}

export_plugin! { name: "beit", provides: [Objective<Beit>, Collate<Beit>, Figures<Beit>] }

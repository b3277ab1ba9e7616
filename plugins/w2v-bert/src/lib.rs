//! w2v-BERT: the lower blocks learn units by telling a masked row's own from those of others, the upper blocks predict them.
//!
//! Chung et al. 2021, arXiv:2108.06209, section 3. Axes: n rows, c masked rows, j candidates of a row, d width, e width of the
//! comparison, g codebooks, v codes of each.

mod figures;
mod losses;
mod quantiser;

use plugin_api::nn::{Linear, LinearOptions};
use plugin_api::prelude::*;
use plugin_api::spans;

use losses::{contrastive_logits, diversity, perplexities};
use quantiser::{Codes, Quantiser, Temperature};

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct W2vBertSettings {
    /// Blocks of the contrastive module, the lower ones; the others predict units.
    #[setting(default = 12, range = 1..=1024)]
    contrastive_layers: usize,
    /// Probability that a span begins at a row.
    #[setting(default = 0.065, range = 0.001..=1.0)]
    start_probability: f64,
    /// Rows of a span.
    #[setting(default = 10, range = 1..=10000)]
    span: usize,
    /// How a row finds its code: the likeliest by logits, or the nearest.
    #[setting(default = "gumbel", choices = ["gumbel", "nearest"])]
    quantiser: String,
    /// Codebooks; a row has a code of each.
    #[setting(default = 1, range = 1..=64)]
    codebooks: usize,
    /// Codes of a codebook.
    #[setting(default = 1024, range = 2..=65536)]
    codes: usize,
    /// Numbers of a row's codes together, a multiple of `codebooks`.
    #[setting(default = 256, range = 1..=65536)]
    code_width: usize,
    /// Width in which rows and codes are compared by angle.
    #[setting(default = 256, range = 1..=65536)]
    contrast_width: usize,
    /// Other masked rows of the sound that a row's own code is told from, drawn with repetition.
    #[setting(default = 100, range = 1..=10000)]
    distractors: usize,
    /// What cosines are divided by.
    #[setting(default = 0.1, range = 0.001..=10.0)]
    temperature: f64,
    /// Temperature of the choice of codes at first.
    #[setting(default = 2.0, range = 0.01..=100.0)]
    gumbel_start: f64,
    /// What that is multiplied by after each step.
    #[setting(default = 0.999995, range = 0.5..=1.0)]
    gumbel_decay: f64,
    /// Where it stays.
    #[setting(default = 0.1, range = 0.001..=100.0)]
    gumbel_end: f64,
    /// With `nearest`, weight of the distance that holds rows to their codes; that of codes to rows weighs 1.
    #[setting(default = 0.25, range = 0.0..=100.0)]
    commitment: f64,
    /// Weight of the contrastive loss, what learns the codes: the paper's β.
    #[setting(default = 1.0, range = 0.0..=1000.0)]
    contrastive_weight: f64,
    /// Weight of even use of the codes, within the contrastive loss.
    #[setting(default = 0.1, range = 0.0..=1000.0)]
    diversity_weight: f64,
    /// Weight of the masked prediction: the paper's γ.
    #[setting(default = 1.0, range = 0.0..=1000.0)]
    prediction_weight: f64,
}

/// The objective.
pub struct W2vBert {
    settings: W2vBertSettings,
    encoder: Model,
    sounds: Sounds,
    layers: usize,
    mask: Weight,
    quantiser: Quantiser,
    context: Linear,
    target: Linear,
    prediction: Linear,
}

impl Objective for W2vBert {
    type Settings = W2vBertSettings;

    fn new(settings: W2vBertSettings, scope: &Scope) -> Result<Self> {
        let encoder = scope.model("encoder")?;
        let Description { width, num_layers: layers, .. } = encoder.describe()?;
        let W2vBertSettings { contrastive_layers, codebooks, codes, code_width, contrast_width, .. } = settings;
        if contrastive_layers >= layers {
            let fact =
                format!("is {contrastive_layers}, and the encoder has {layers} blocks: none is left to predict units");
            return Err(Error::setting("contrastive_layers", fact).help("take fewer, or more `num_layers`"));
        }
        if !code_width.is_multiple_of(codebooks) {
            let fact = format!("is {code_width}, which {codebooks} codebooks cannot share evenly");
            return Err(Error::setting("code_width", fact).help("choose a multiple of `codebooks`"));
        }
        let shape = Codes { books: codebooks, codes, width: code_width };
        let quantiser = if settings.quantiser == "gumbel" {
            let W2vBertSettings { gumbel_start: start, gumbel_decay: decay, gumbel_end: end, .. } = settings;
            Quantiser::gumbel(&scope.at("quantiser"), width, shape, Temperature { start, decay, end })?
        } else {
            Quantiser::nearest(&scope.at("quantiser"), width, shape)?
        };
        let linear = |name: &str, from, to| Linear::new(&scope.at(name), from, to, &LinearOptions::new());
        Ok(Self {
            mask: scope.weight_with("mask", &[1, width], Init::Uniform(1.0), &WeightOptions::new().no_decay())?,
            context: linear("context", width, contrast_width)?,
            target: linear("target", code_width, contrast_width)?,
            prediction: linear("prediction", width, codebooks * codes)?,
            sounds: scope.sounds()?,
            quantiser,
            layers,
            encoder,
            settings,
        })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let settings = &self.settings;
        let (layout, features_bfm) = (batch.layout("audio")?, batch.tensor("audio.features")?);
        let (masked_c, candidates_cj) = (batch.tensor("w2v-bert.masked")?, batch.tensor("w2v-bert.candidates")?);
        let of = |x: &Tensor| x.index_select(0, &masked_c);
        // What the convolutions give is quantised as it is, and replaced in masked rows before the first block sees it.
        let rows_nd = self.encoder.pass(&layout).input("features", &features_bfm).layers(0..0).run()?.hidden().clone();
        let quantised = self.quantiser.apply(&rows_nd, &layout)?;
        let hidden_n1 = batch.tensor("w2v-bert.hidden")?.unsqueeze(1);
        let shown_nd = rows_nd.take_where(&hidden_n1, self.mask.tensor().cast(rows_nd.dtype()?));
        let between = settings.contrastive_layers;
        let context_nd = self.encoder.pass(&layout).embeddings(&shown_nd).layers(0..between).run()?.hidden().clone();
        let output = self.encoder.pass(&layout).hidden(&context_nd).layers(between..self.layers).run()?;

        let (context_ce, target_ce) =
            (self.context.apply(&of(&context_nd)), self.target.apply(&of(&quantised.values_nk)));
        let chosen_cg = of(&quantised.chosen_ng);
        let logits_cj = contrastive_logits(&context_ce, &target_ce, &chosen_cg, &candidates_cj, settings.temperature)?;
        let own_c = Tensor::full(&[masked_c.dim(0)?], 0.0, DType::I64);
        let logits_v = self.prediction.apply(&of(output.hidden())).reshape(&[-1, settings.codes as i64]);
        let units = of(&quantised.units_ng).reshape(&[-1]);

        let beta = settings.contrastive_weight;
        let mut loss = Loss::new().and("contrastive", beta, &logits_cj.cross_entropy(&own_c)).and(
            "prediction",
            settings.prediction_weight,
            &logits_v.cross_entropy(&units),
        );
        if self.couples() {
            let unevenness = diversity(&quantised.shares_ngv)?;
            loss = loss.part("diversity", beta * settings.diversity_weight, &unevenness, &Tensor::scalar(1.0_f32));
        }
        if let Some([codes, rows]) = &quantised.distances {
            loss = loss.and("codebook", beta, codes).and("commitment", beta * settings.commitment, rows);
        }
        let used_gv = quantised.units_ng.one_hot(settings.codes).mean_axes(&[0], false);
        loss = loss
            .metric("contrastive_accuracy", &logits_cj.argmax(-1).eq(&own_c))
            .metric("accuracy", &logits_v.argmax(-1).eq(&units))
            .metric("batch_code_perplexity", &perplexities(&used_gv));
        self.with_items(loss, batch, &layout, &quantised.units_ng)
    }

    /// How evenly codes are used is a matter of the whole batch.
    fn couples(&self) -> bool {
        self.settings.diversity_weight > 0.0
    }
}

impl W2vBert {
    /// With each row's unit, and what is known of the row.
    fn with_items(&self, loss: Loss, batch: &Batch, layout: &Layout, units_ng: &Tensor) -> Result<Loss> {
        if training() {
            return Ok(loss);
        }
        let places: Vec<f64> =
            (0..self.settings.codebooks).map(|book| (self.settings.codes as f64).powi(book as i32)).collect();
        let places_g = Tensor::new(&places, &[places.len()]);
        let units_n = (units_ng.cast(DType::F64) * places_g).sum_axes(&[-1], false);
        let mut loss = loss.item_rows_for_figures("units", &units_n, layout);
        for (name, column) in [("labels", "audio.row_labels"), ("given_units", "audio.units")] {
            if let Some(values_n) = batch.get(column)? {
                loss = loss.item_rows_for_figures(name, &values_n, layout);
            }
        }
        Ok(loss)
    }
}

impl Collate for W2vBert {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let W2vBertSettings { start_probability, span, distractors, .. } = self.settings;
        let row = self.sounds.bins * self.sounds.frames_per_unit;
        let (mut hidden, mut masked, mut candidates) = (Vec::new(), Vec::<i64>::new(), Vec::<i64>::new());
        for sample in samples.iter() {
            let rows = sample.f32s("audio.features")?.len() / row;
            let (first_row, first) = (sample.first_row("audio")?, masked.len());
            let chosen = spans::at_least_one(&sample.uniforms("spans", rows)?, start_probability, span);
            masked.extend((0..rows).filter(|row| chosen[*row]).map(|row| (first_row + row) as i64));
            let own = masked.len() - first;
            let draws = sample.uniforms("distractors", own * distractors)?;
            for (place, draws) in draws.chunks(distractors).enumerate() {
                candidates.push((first + place) as i64);
                // One of the others; a row that is alone has itself, which counts for nothing.
                let other = |draw: &f64| match own - 1 {
                    0 => place,
                    others => {
                        let drawn = ((draw * others as f64) as usize).min(others - 1);
                        drawn + usize::from(drawn >= place)
                    }
                };
                candidates.extend(draws.iter().map(|draw| (first + other(draw)) as i64));
            }
            hidden.extend(chosen);
        }
        samples.add("w2v-bert.hidden", &hidden)?;
        samples.add("w2v-bert.masked", &masked)?;
        samples.add_shaped("w2v-bert.candidates", &candidates, &[masked.len(), distractors + 1])
    }
}

impl Figures for W2vBert {
    fn figures(&self, items: &Items) -> Result<Vec<(String, f64)>> {
        figures::of_units(items)
    }
}

export_plugin! { name: "w2v-bert", provides: [Objective<W2vBert>, Collate<W2vBert>, Figures<W2vBert>] }

//! Ask2Mask: masked prediction of speech units where a frozen recogniser is sure, weighted by how sure it is of the whole sound.
//!
//! Baskar et al. 2022, arXiv:2202.12719, section 3, around the masked prediction of units of Hsu et al. 2021, arXiv:2106.07447. Axes: n
//! rows, c masked rows, b sounds, d width, v units, k classes of the recogniser.

pub mod policy;

use plugin_api::nn::{Linear, LinearOptions, UnitHead};
use plugin_api::prelude::*;

use policy::Policy;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct Ask2MaskSettings {
    /// Where spans begin.
    #[setting(default = "top", choices = ["top", "weighted", "mix", "low", "uniform"])]
    policy: String,
    /// With `mix`, the share of the hidden rows that is chosen by confidence.
    #[setting(default = 0.5, range = 0.0..=1.0)]
    mix_share: f64,
    /// Weigh each sound by the recogniser's mean confidence.
    #[setting(default = true)]
    weigh_sounds: bool,
    /// Take the confidence over the labels alone, without the blank, so that silence is never sure.
    #[setting(default = true)]
    exclude_blank: bool,
    /// With `span`, how many rows are hidden: as many as spans that begin at a row with this probability hide on average.
    #[setting(default = 0.08, range = 0.001..=1.0)]
    start_probability: f64,
    /// Rows of a span.
    #[setting(default = 10, range = 1..=10000)]
    span: usize,
    /// What cosines of rows and units are divided by.
    #[setting(default = 0.1, range = 0.001..=10.0)]
    temperature: f64,
    /// Width in which rows and units are compared by angle.
    #[setting(default = 256, range = 1..=65536)]
    unit_width: usize,
}

/// The objective.
pub struct Ask2Mask {
    settings: Ask2MaskSettings,
    policy: Policy,
    encoder: Model,
    mask: Weight,
    units: UnitHead,
    scorer: Model,
    classes: Linear,
    /// Labels that the recogniser knows.
    labels: usize,
}

impl Objective for Ask2Mask {
    type Settings = Ask2MaskSettings;

    fn new(settings: Ask2MaskSettings, scope: &Scope) -> Result<Self> {
        let units = scope.sounds()?.units;
        if units == 0 {
            return Err(Error::data("the sounds have no units").help("find some: `data.audio.units = 100`"));
        }
        let (encoder, scorer, labels) = (scope.model("encoder")?, scope.model("scorer")?, scope.labels("audio")?.len());
        let width = encoder.describe()?.width;
        // Its head under the name that the run left it by (`ROLE.classes`), and never trained here.
        let below_head = scope.frozen(true).at("scorer").at("classes");
        let classes = Linear::new(&below_head, scorer.describe()?.width, labels + 1, &LinearOptions::new())?;
        let policy = match settings.policy.as_str() {
            "top" => Policy::Top,
            "weighted" => Policy::Weighted,
            "mix" => Policy::Mix(settings.mix_share),
            "low" => Policy::Low,
            _ => Policy::Uniform,
        };
        Ok(Self {
            mask: scope.weight_with("mask", &[1, width], Init::Uniform(1.0), &WeightOptions::new().no_decay())?,
            units: UnitHead::cosine(scope, width, settings.unit_width, units, settings.temperature)?,
            settings,
            policy,
            encoder,
            scorer,
            classes,
            labels,
        })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let (layout, features_bfm) = (batch.layout("audio")?, batch.tensor("audio.features")?);
        let scores_n = self.confidence(&features_bfm, &layout)?;
        let hidden = self.hidden(&scores_n.to_vec()?, &batch.tensor("ask2mask.draws")?.to_vec()?, &layout)?;
        let masked: Vec<i64> = (0..hidden.len()).filter(|row| hidden[*row]).map(|row| row as i64).collect();
        let (masked_c, hidden_n1) = (Tensor::new(&masked, &[masked.len()]), Tensor::new(&hidden, &[hidden.len(), 1]));

        let rows_nd = self.encoder.pass(&layout).input("features", &features_bfm).layers(0..0).run()?.hidden().clone();
        let shown_nd = rows_nd.take_where(&hidden_n1, self.mask.tensor().cast(rows_nd.dtype()?));
        let output = self.encoder.pass(&layout).embeddings(&shown_nd).run()?;
        let logits_cv = self.units.apply(&output.hidden().index_select(0, &masked_c));
        let units_c = batch.tensor("audio.units")?.index_select(0, &masked_c);
        let losses_c = logits_cv.cross_entropy(&units_c);
        let mut loss = if self.settings.weigh_sounds {
            // A mean with weights: what weights of mean 1 in the batch would give, whatever the batch is divided into.
            let weights_c = layout
                .mean(scores_n.unsqueeze(1))
                .squeeze(1)
                .index_select(0, layout.segments().index_select(0, &masked_c));
            Loss::new().part("loss", 1.0, &(&losses_c * weights_c.cast(losses_c.dtype()?)).sum(), &weights_c.sum())
        } else {
            Loss::sum_over(&losses_c)
        };
        if let Some(labels_n) = batch.get("audio.row_labels")? {
            loss = loss.metric("masked_in_speech", &labels_n.index_select(0, &masked_c).ge(0.0));
        }
        loss = loss.metric("masked", &hidden_n1).metric("confidence", &scores_n);
        Ok(loss.metric("accuracy", &logits_cv.argmax(-1).eq(&units_c)))
    }
}

impl Ask2Mask {
    /// How sure the recogniser is in each row, `[n]`, a constant.
    fn confidence(&self, features_bfm: &Tensor, layout: &Layout) -> Result<Tensor> {
        let output = self.scorer.pass(layout).input("features", features_bfm).run()?;
        let shares_nk = self.classes.apply(&output.hidden().stop_gradient()).softmax();
        let counted = if self.settings.exclude_blank { self.labels } else { self.labels + 1 };
        Ok(shares_nk.narrow(1, 0, counted).max(-1, false).stop_gradient())
    }

    /// True where a row is hidden, sound by sound.
    fn hidden(&self, scores: &[f64], draws: &[f64], layout: &Layout) -> Result<Vec<bool>> {
        let Ask2MaskSettings { start_probability, span, .. } = self.settings;
        let (mut hidden, mut first) = (Vec::with_capacity(scores.len()), 0);
        for rows in layout.lengths().to_vec::<u32>()? {
            let last = first + rows as usize;
            let target = policy::target(rows as usize, start_probability, span);
            hidden.extend(policy::hidden(self.policy, &scores[first..last], &draws[first..last], target, span));
            first = last;
        }
        Ok(hidden)
    }
}

impl Collate for Ask2Mask {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let mut draws = Vec::new();
        for sample in samples.iter() {
            draws.extend(sample.uniforms("spans", sample.u32s("audio.units")?.len())?);
        }
        samples.add("ask2mask.draws", &draws)
    }
}

export_plugin! {
    name: "ask2mask",
    provides: [Objective<Ask2Mask>, Collate<Ask2Mask>],
    exempt: [("reached", "the recogniser in the role `scorer` only says where to hide: it is frozen in an experiment")],
}

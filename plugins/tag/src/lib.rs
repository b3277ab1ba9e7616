//! A label for each word: named entities, slots, parts of speech.
//!
//! Devlin et al. 2018, arXiv:1810.04805, section 5.3: a linear layer on the hidden row of a word's first piece; other pieces and
//! special tokens have no label. Axes: n token rows, c rows with a label, d width, k labels.

mod figures;

use plugin_api::prelude::*;

use figures::Scheme;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct TagSettings {
    /// How tags make spans: `bio` by `B-` and `I-`, `io` by equal neighbours, `none` not at all; `auto` by the names of the tags.
    #[setting(default = "auto", choices = ["auto", "bio", "io", "none"])]
    scheme: String,
    /// Share of the hidden features that is dropped while training.
    #[setting(default = 0.1, range = 0.0..=0.9)]
    dropout: f64,
}

/// The objective.
pub struct Tag {
    encoder: Model,
    head: Head,
    labels: Vec<String>,
    scheme: Scheme,
    dropout: f64,
}

impl Objective for Tag {
    type Settings = TagSettings;

    fn new(settings: TagSettings, scope: &Scope) -> Result<Self> {
        if let Some(found) = scope.label_kind("text")?.filter(|found| found != "tags") {
            return Err(Error::new(
                "plugin/labels",
                format!("the data has a label `{found}` for each text, none for its words"),
            )
            .help("set `label_kind = \"tags\"` in [data.text], or use the objective `classify`"));
        }
        let labels = scope.labels("text")?;
        let scheme = match settings.scheme.as_str() {
            "bio" => Scheme::Bio,
            "io" => Scheme::Io,
            "none" => Scheme::None,
            _ => Scheme::of(&labels),
        };
        let encoder = scope.model("encoder")?;
        let head = encoder.head(scope, HeadKind::Classes(labels.len()))?;
        Ok(Self { encoder, head, labels, scheme, dropout: settings.dropout })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let layout = batch.layout("text")?;
        let hidden_nd = self.encoder.encode(&batch.tensor("text.tokens")?, &layout)?;
        let hidden_nd = hidden_nd.dropout(self.dropout, Some(&layout), "tagged");
        let logits_ck = self.head.apply(&hidden_nd.index_select(0, &batch.tensor("tagged")?))?;
        let targets_c = batch.tensor("targets")?;
        let predicted_c = logits_ck.argmax(-1);
        let words = Layout::new(&batch.tensor("tagged_words")?);
        Ok(Loss::sum_over(&logits_ck.cross_entropy(&targets_c))
            .metric("accuracy", &predicted_c.eq(&targets_c))
            .item_rows("prediction", &predicted_c, &words)
            .item_rows("label", &targets_c, &words))
    }
}

impl Collate for Tag {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let (mut tagged, mut targets, mut words) = (Vec::<i64>::new(), Vec::<i64>::new(), Vec::<u32>::new());
        for sample in samples.iter() {
            let (tags, first_row) = (sample.i64s("text.tags")?, sample.first_row("text")?);
            let before = targets.len();
            for (row, &tag) in (first_row..).zip(tags).filter(|(_, tag)| **tag >= 0) {
                tagged.push(row as i64);
                targets.push(tag);
            }
            words.push((targets.len() - before) as u32);
        }
        samples.add("tagged", &tagged)?;
        samples.add("targets", &targets)?;
        samples.add("tagged_words", &words)
    }
}

impl Figures for Tag {
    /// Accuracy over the words; where tags make spans, span-F1 with precision and recall, else macro-F1 over the labels.
    fn figures(&self, items: &Items) -> Result<Vec<(String, f64)>> {
        figures::figures(&self.labels, self.scheme, items.lists("prediction")?, items.lists("label")?)
    }
}

export_plugin! { name: "tag", provides: [Objective<Tag>, Collate<Tag>, Figures<Tag>] }

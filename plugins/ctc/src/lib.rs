//! Connectionist temporal classification: what is said in a sound, learnt without knowing when.
//!
//! Graves et al. 2006, "Connectionist Temporal Classification". A word is a label of the data; the class behind the last label is the
//! blank. Axes: n rows, b sounds, d width, v classes, m labels of all sounds.

pub mod decode;

use plugin_api::metrics::edit_distance;
use plugin_api::prelude::*;

use decode::greedy;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct CtcSettings {
    /// Share of the encoder's features that is dropped while training.
    #[setting(default = 0.1, range = 0.0..=0.9)]
    dropout: f64,
}

/// The objective.
pub struct Transcripts {
    settings: CtcSettings,
    encoder: Model,
    head: Head,
    /// What the labels are called.
    words: Vec<String>,
}

impl Objective for Transcripts {
    type Settings = CtcSettings;

    fn new(settings: CtcSettings, scope: &Scope) -> Result<Self> {
        let (encoder, words) = (scope.model("encoder")?, scope.labels("audio")?);
        let head = encoder.head(scope, HeadKind::Classes(words.len() + 1))?;
        Ok(Self { settings, encoder, head, words })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let (layout, features_bfm) = (batch.layout("audio")?, batch.tensor("audio.features")?);
        let output = self.encoder.pass(&layout).input("features", &features_bfm).run()?;
        let hidden_nd = output.hidden().dropout(self.settings.dropout, Some(&layout), "hidden");
        let logits_nv = self.head.apply(&hidden_nd)?;
        let (labels_m, lengths_b) = (batch.tensor("ctc.labels")?, batch.tensor("ctc.lengths")?);
        let fits_b = batch.tensor("ctc.needed")?.le(layout.lengths());
        let options = Ctc { blank: self.words.len(), skip_too_short: true };
        let losses_b = logits_nv.ctc(&layout, &labels_m, &Layout::new(&lengths_b), options);
        let mut loss = Loss::sum_where(&losses_b, &fits_b).metric("too_short", &!&fits_b);
        if !training() {
            let rows = logits_nv.argmax(-1).to_vec()?;
            let said = self.said(&rows, &layout.lengths().to_vec()?);
            let counts = self.counts(&said, &labels_m.to_vec()?, &lengths_b.to_vec()?);
            for (name, counts_b) in NAMES.iter().zip(counts) {
                loss = loss.item(name, &Tensor::new(&counts_b, &[counts_b.len()]));
            }
        }
        Ok(loss)
    }
}

/// Edits and lengths of each sound, by words and by characters.
const NAMES: [&str; 4] = ["word_errors", "words", "character_errors", "characters"];

impl Transcripts {
    /// The labels of each sound from the best class of each row.
    fn said(&self, best_n: &[u32], rows_b: &[u32]) -> Vec<Vec<u32>> {
        let mut rest = best_n;
        let take = |rows: &u32| {
            let (own, others) = rest.split_at((*rows as usize).min(rest.len()));
            rest = others;
            greedy(own, self.words.len() as u32)
        };
        rows_b.iter().map(take).collect()
    }

    /// [`NAMES`] for each sound: what was said against what should have been.
    fn counts(&self, said: &[Vec<u32>], labels_m: &[u32], lengths_b: &[u32]) -> [Vec<f32>; 4] {
        let mut counts: [Vec<f32>; 4] = Default::default();
        let mut rest = labels_m;
        for (said, length) in said.iter().zip(lengths_b) {
            let (labels, others) = rest.split_at((*length as usize).min(rest.len()));
            rest = others;
            let [found, wanted] = [said, labels].map(|labels| self.written(labels));
            let errors = [edit_distance(said, labels), labels.len(), edit_distance(&found, &wanted), wanted.len()];
            counts.iter_mut().zip(errors).for_each(|(counts, count)| counts.push(count as f32));
        }
        counts
    }

    /// The characters of the words with a space between two.
    fn written(&self, labels: &[u32]) -> Vec<char> {
        let words: Vec<&str> =
            labels.iter().filter_map(|label| self.words.get(*label as usize)).map(String::as_str).collect();
        words.join(" ").chars().collect()
    }
}

impl Collate for Transcripts {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let (mut all, mut lengths, mut needed) = (Vec::<u32>::new(), Vec::<u32>::new(), Vec::<u32>::new());
        for sample in samples.iter() {
            let labels = sample.u32s("audio.labels")?;
            let repeats = labels.windows(2).filter(|pair| pair[0] == pair[1]).count();
            lengths.push(labels.len() as u32);
            needed.push((labels.len() + repeats) as u32);
            all.extend(labels);
        }
        samples.add("ctc.labels", &all)?;
        samples.add("ctc.lengths", &lengths)?;
        samples.add("ctc.needed", &needed)
    }
}

impl Figures for Transcripts {
    /// Edits over all held-out sounds by the length of all their transcripts, by words and by characters.
    fn figures(&self, items: &Items) -> Result<Vec<(String, f64)>> {
        let rate = |errors: &str, all: &str| -> Result<f64> {
            Ok(items.numbers(errors)?.iter().sum::<f64>() / items.numbers(all)?.iter().sum::<f64>())
        };
        Ok(vec![("wer".into(), rate(NAMES[0], NAMES[1])?), ("cer".into(), rate(NAMES[2], NAMES[3])?)])
    }
}

export_plugin! { name: "ctc", provides: [Objective<Transcripts>, Collate<Transcripts>, Figures<Transcripts>] }

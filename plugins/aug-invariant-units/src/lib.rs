//! Speech units that survive a change of the sound: a small network over a frozen model learns to say of the changed sound what a
//! teacher says of the sound as it is.
//!
//! Gat et al. 2022, arXiv:2209.15483, section 4. The teacher's units come with the data: k-means of the model in the first round,
//! the student of the round before in later ones. Stretching changes lengths, so the loss is CTC. Axes: b sounds, n rows, d width, v
//! units and the blank, m labels.

pub mod student;

use plugin_api::metrics::collapsed;
use plugin_api::prelude::*;

use student::Student;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct InvariantSettings {
    /// The role of the network that learns.
    #[setting(default = "student")]
    role: String,
}

/// The objective.
pub struct Invariant {
    student: Model,
    /// Units without the blank; also the number of the student's blank.
    units: usize,
    /// The blank of the teacher, where it has one.
    blank: Option<usize>,
}

/// Units without a blank.
fn units_of(sounds: &Sounds) -> Result<usize> {
    if sounds.units == 0 {
        return Err(
            Error::data("the sounds have no units").help("the teacher's come with the data: `data.audio.units = 50`")
        );
    }
    Ok(sounds.units - usize::from(sounds.blank.is_some()))
}

impl Objective for Invariant {
    type Settings = InvariantSettings;

    fn new(settings: InvariantSettings, scope: &Scope) -> Result<Self> {
        let sounds = scope.sounds()?;
        let (units, student) = (units_of(&sounds)?, scope.model(&settings.role)?);
        let width = student.describe()?.width;
        if width != units + 1 {
            let fact = format!(
                "the model `{}` gives {width} numbers a row, not one for each of {units} units and the blank",
                settings.role
            );
            return Err(Error::new("plugin/family", fact).help("choose `family = \"aug-invariant-units\"` for it"));
        }
        Ok(Self { student, units, blank: sounds.blank })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let Some(features_bfm) = batch.get("audio.changed_features")? else {
            return Err(Error::data("the sounds have no second version")
                .help("say how they are changed: `data.audio.changes = [\"stretch\", \"noise\"]`"));
        };
        let keys_b = batch.tensor("invariant.keys")?;
        let layout = Layout::with_keys(&batch.tensor("audio.changed_rows")?, &keys_b);
        let logits_nv = self.student.pass(&layout).input("features", &features_bfm).run()?.hidden().clone();
        let labels = Layout::with_keys(&batch.tensor("invariant.lengths")?, &keys_b);
        let labels_m = batch.tensor("invariant.labels")?;
        // Faster sounds may have fewer rows than the teacher has units: nothing can be said of these.
        let options = Ctc { blank: self.units, skip_too_short: true };
        let nats_b = logits_nv.ctc(&layout, &labels_m, &labels, options);
        let silent_n = logits_nv.argmax(-1).eq(self.units as u32);
        // Nats for each unit that is to be said, so that long sounds count for what they hold.
        let count = Tensor::scalar(labels_m.count()? as f32);
        let loss = Loss::new().part("loss", 1.0, &nats_b.sum(), &count);
        Ok(loss.metric("blank_rows", &silent_n).metric("skipped", &nats_b.stop_gradient().eq(0.0)))
    }
}

impl Collate for Invariant {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let (mut labels, mut lengths, mut keys) = (Vec::<i64>::new(), Vec::<u32>::new(), Vec::<i64>::new());
        for sample in samples.iter() {
            let units: Vec<usize> = sample.u32s("audio.units")?.iter().map(|unit| *unit as usize).collect();
            let said = collapsed(&units, self.blank);
            lengths.push(said.len() as u32);
            labels.extend(said.iter().map(|unit| *unit as i64));
            // Dropout goes by a key that belongs to the sound, whatever else is in the batch.
            keys.push((sample.uniforms("key", 1)?[0] * (1_u64 << 52) as f64) as i64);
        }
        samples.add("invariant.labels", &labels)?;
        samples.add("invariant.lengths", &lengths)?;
        samples.add("invariant.keys", &keys)
    }
}

export_plugin! {
    name: "aug-invariant-units",
    provides: [Objective<Invariant>, Collate<Invariant>, Model<Student>],
}

//! Hybrid distillation: one student learns features from one frozen teacher, and how patches relate from another.
//!
//! Shi et al. 2023, arXiv:2306.15876. Teachers see whole pictures; the student drops patches that are like the others on its way. Axes:
//! b pictures, m patches of all, n rows, d width, h heads, t patches of a picture, k features of a head.

pub mod dropping;
mod evaluator;
mod relations;
mod student;
mod vision;

use plugin_api::prelude::*;

pub use evaluator::{Attended, AttendedSettings};
use relations::{divergence, heads, log_relations};
use student::walk;
use vision::{Vision, layer};

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct HybridSettings {
    /// Weight of the relations beside the features; 0 does without their teacher's lesson.
    #[setting(default = 1.0, range = 0.0..=1000.0)]
    relation_weight: f64,
    /// Weight of the features.
    #[setting(default = 1.0, range = 0.0..=1000.0)]
    feature_weight: f64,
    /// The student's layer whose relations are taught; counted from the end where negative.
    #[setting(default = -2, range = -1024..=1023)]
    student_layer: i64,
    /// The teacher's layer that they come from.
    #[setting(default = -2, range = -1024..=1023)]
    teacher_layer: i64,
    /// Share of the patches that the student keeps before its first layer, and again after a third and two thirds of them.
    #[setting(default = 0.6666666666666666, range = 0.01..=1.0)]
    keep: f64,
}

/// The objective: roles `encoder` (the student), `feature_teacher` and `relation_teacher`.
pub struct Hybrid {
    settings: HybridSettings,
    student: Vision,
    of_features: Vision,
    of_relations: Vision,
    layers: [usize; 2],
    /// Heads that relations are compared in.
    heads: usize,
    head: Head,
}

impl Objective for Hybrid {
    type Settings = HybridSettings;

    fn new(settings: HybridSettings, scope: &Scope) -> Result<Self> {
        let [student, of_features, of_relations] =
            ["encoder", "feature_teacher", "relation_teacher"].map(|role| Vision::new(scope, role));
        let (student, of_features, of_relations) = (student?, of_features?, of_relations?);
        for (role, teacher) in [("feature_teacher", &of_features), ("relation_teacher", &of_relations)] {
            if teacher.patches != student.patches {
                let fact =
                    format!("the model `{role}` has {} patches, the student {}", teacher.patches, student.patches);
                return Err(Error::new("plugin/family", fact).help("choose the same `patch_size` for all"));
            }
        }
        let layers = [
            layer("student_layer", settings.student_layer, student.layers)?,
            layer("teacher_layer", settings.teacher_layer, of_relations.layers)?,
        ];
        Ok(Self {
            head: student.model.head(scope, HeadKind::Values(of_features.width))?,
            heads: common_divisor(student.heads, of_relations.heads),
            settings,
            student,
            of_features,
            of_relations,
            layers,
        })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let (pixels_bchw, keys_b) = (batch.tensor("image.pixels")?, batch.tensor("hybrid.keys")?);
        let pictures = keys_b.count()?;
        let walked = walk(&self.student, &pixels_bchw, &keys_b, self.settings.keep, self.layers[0])?;

        let teacher = &self.of_features;
        let whole = teacher.layout(&keys_b, teacher.patches)?;
        let taught_nd = teacher.model.pass(&whole).workflow("image").input("pixels", &pixels_bchw).run()?;
        let taught_md = taught_nd.hidden().stop_gradient().index_select(0, teacher.rows_of(&walked.kept));
        let wanted_md = taught_md.cast(DType::F32).layer_norm(None, None, EPSILON);
        let found_md = self.head.apply(&walked.hidden_md)?.cast(DType::F32);
        let feature_m = found_md.huber(&wanted_md, 1.0).mean_axes(&[-1], false);
        let feature_b = feature_m.reshape(&[pictures as i64, -1]).mean_axes(&[-1], false);

        let teacher = &self.of_relations;
        let whole = teacher.layout(&keys_b, teacher.patches)?;
        let names = Vision::parts(self.layers[1]);
        let pass = teacher.model.pass(&whole).workflow("image").input("pixels", &pixels_bchw);
        let output = names.iter().fold(pass, |pass, name| pass.want(name)).run()?;
        let rows_m = teacher.rows_of(&walked.kept_at_parts);
        let taught = names
            .each_ref()
            .map(|name| heads(&output.get(name)?.stop_gradient().cast(DType::F32), &rows_m, pictures, self.heads));
        let found =
            walked.parts.each_ref().map(|part| heads(&part.cast(DType::F32), &walked.places_m, pictures, self.heads));
        let ([taught_q, taught_k, taught_v], [found_q, found_k, found_v]) = (taught, found);
        let (taught_v, found_v) = (taught_v?, found_v?);
        let of_keys_b = divergence(&log_relations(&taught_q?, &taught_k?)?, &log_relations(&found_q?, &found_k?)?);
        let of_values_b = divergence(&log_relations(&taught_v, &taught_v)?, &log_relations(&found_v, &found_v)?);
        let relation_b = of_keys_b + of_values_b;

        let HybridSettings { feature_weight, relation_weight, .. } = self.settings;
        // One part: all pictures count the same, so a batch may be divided.
        let total_b = &feature_b * feature_weight + &relation_b * relation_weight;
        Ok(Loss::sum_over(&total_b).metric("feature", &feature_b).metric("relation", &relation_b))
    }
}

const EPSILON: f64 = 1e-6;

/// The largest number of heads into which the features of both divide.
fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

impl Collate for Hybrid {
    fn collate(&self, samples: &Samples) -> Result<()> {
        vision::add_keys(samples)
    }
}

export_plugin! {
    name: "hybrid-distill",
    provides: [Objective<Hybrid>, Collate<Hybrid>, Evaluator<Attended>],
}

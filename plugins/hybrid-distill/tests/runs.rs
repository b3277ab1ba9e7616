//! Losses that are known beforehand, what learns and what does not, what is refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use compute::{Device, Value};
use experiment::Experiment;
use hybrid_distill as _;
use lacuna::boundary::Call;
use lacuna::conformance::beside_the_test;
use lacuna::train::Session;
// Links the models, which sessions find beside this program.
use vit as _;

const WIDTH: usize = 16;

fn experiment(changes: &[&str]) -> Experiment {
    let model = |role: &str, more: &str| {
        format!(
            "[model.{role}]\nfamily = 'vit'\nwidth = {WIDTH}\nnum_layers = 3\nnum_heads = 4\npatch_size = 4\n\
             positions = 'sincos'\ninitial = 'xavier'\n{more}\n"
        )
    };
    let text = format!(
        "[run]\nsteps = 1\nbatch_rows = 5\n[data.image]\nheight = 12\nwidth = 16\nchannels = 2\nsamples = 10\nvalid_samples = 10\n\
         {}{}{}[objective]\nuse = 'hybrid-distill'\n",
        model("encoder", ""),
        model("feature_teacher", "frozen = true"),
        model("relation_teacher", "frozen = true"),
    );
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    Experiment::from_text(&text, Path::new("runs.toml"), &changes).unwrap()
}

fn opened(changes: &[&str]) -> lacuna::error::Result<Session> {
    let catalogue = beside_the_test();
    Session::open(experiment(changes), &catalogue, &mut |_, _, _| {})
}

fn session(changes: &[&str]) -> Session {
    opened(changes).unwrap_or_else(|error| panic!("{error}"))
}

/// Gives the models of `roles` the weights of the student, of which the others keep their own.
fn as_the_student(session: &Session, roles: &[&str]) {
    let all = session.stepper.weights.all();
    for weight in &all {
        let Some((role, name)) = weight.name().split_once('.') else { continue };
        if !roles.contains(&role) {
            continue;
        }
        let own = all.iter().find(|other| other.name() == format!("encoder.{name}")).unwrap();
        weight.set_value(&own.value()).unwrap();
    }
}

/// The head that gives what it gets.
fn identity_head(session: &Session) {
    let mut given = 0;
    for weight in session.stepper.weights.all() {
        if !weight.name().contains(".values.") {
            continue;
        }
        let at = |place: usize| f32::from(u8::from(weight.shape().len() == 2 && place / WIDTH == place % WIDTH));
        let count: usize = weight.shape().iter().product();
        let values: Vec<f32> = (0..count).map(at).collect();
        weight.set_value(&Value::from_slice(&values, weight.shape(), &Device::Cpu).unwrap()).unwrap();
        given += 1;
    }
    assert_eq!(given, 2, "the head has a weight and a bias");
}

/// The held-out metrics `feature`, `relation` and the loss.
fn figures(session: &Session) -> BTreeMap<String, f64> {
    let held_out = session.held_out(None).unwrap().unwrap();
    let own = [("loss".to_owned(), held_out.loss)];
    held_out.metrics.into_iter().chain(own).collect()
}

#[test]
fn a_student_that_is_its_teacher_has_nothing_to_learn() {
    for (keep, layers) in [("1.0", "-2"), ("0.67", "-1"), ("0.67", "0")] {
        let changes = [
            format!("objective.keep={keep}"),
            format!("objective.student_layer={layers}"),
            format!("objective.teacher_layer={layers}"),
        ];
        let changes = changes.each_ref().map(String::as_str);
        let session = session(&changes);
        assert!(figures(&session)["relation"] > 1e-3 && figures(&session)["feature"] > 1e-2);
        as_the_student(&session, &["relation_teacher", "feature_teacher"]);
        identity_head(&session);
        let found = figures(&session);
        // Without dropping, and before anything was dropped, student and teacher look at the same.
        if keep == "1.0" {
            assert!(found["relation"].abs() < 1e-6 && found["feature"] < 1e-6, "{found:?}");
            assert!((found["loss"] - found["relation"] - found["feature"]).abs() < 1e-6, "{found:?}");
        } else {
            assert!(found["feature"] > 1e-6, "what was dropped is missed: {found:?}");
        }
    }
}

#[test]
fn relations_of_queries_and_keys_are_those_of_the_rows_that_were_kept() {
    // In the first layer rows have seen no other yet: dropping some of them changes none of the others' queries and keys.
    let session = session(&["objective.student_layer=0", "objective.teacher_layer=0", "objective.keep=0.5"]);
    as_the_student(&session, &["relation_teacher"]);
    assert!(figures(&session)["relation"].abs() < 1e-6, "{:?}", figures(&session));
}

#[test]
fn other_heads_are_divided_anew() {
    let session = session(&["model.relation_teacher.num_heads=2", "model.relation_teacher.width=32"]);
    assert!(figures(&session)["relation"] > 1e-3);
}

#[test]
fn teachers_get_no_gradient_and_the_student_does() {
    let session = session(&[]);
    let learning = session.stepper.weights.trainable();
    assert!(learning.iter().all(|weight| !weight.name().contains("_teacher.")));
    assert!(learning.iter().any(|weight| weight.name().starts_with("encoder.encoder.layer.2")));
    let batch = session.training_batches(0, 1).next().unwrap().unwrap();
    let data = batch.micro.into_iter().next().unwrap().on_device(&Device::Cpu).unwrap();
    let call = Call::new(session.evaluation());
    let result = session.stepper.objective.loss(&call, &data).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(result.parts.len(), 1);
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |change: &str| opened(&[change]).err().unwrap().to_string();
    assert!(refused("model.feature_teacher.patch_size=2").contains("has 48 patches, the student 12"));
    assert!(refused("objective.student_layer=3").contains("there are 3 layers"));
    assert!(refused("objective.teacher_layer=-4").contains("from the end"));
}

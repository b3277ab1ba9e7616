//! Groups, clipping and budgets as the experiment says.

use std::collections::BTreeMap;

use super::support::*;

const SGD: [&str; 4] =
    ["optimizer.use=\"sgd\"", "optimizer.momentum=0", "optimizer.weight_decay=0", "optimizer.learning_rate=0.25"];

fn values(session: &lacuna::train::Session) -> BTreeMap<String, Vec<f64>> {
    let owners = session.stepper.weights.owners();
    owners.iter().map(|weight| (weight.name().to_owned(), flat(&weight.value()))).collect()
}

/// How far each weight moves in one step of rate 0.25, and its gradient.
fn moved(changes: &[&str]) -> BTreeMap<String, (Vec<f64>, Vec<f64>)> {
    let mut session = session("mlm", &[&SGD, changes].concat());
    let batch = training(&session, 0, 1).remove(0);
    let gradients = take(&mut session, batch).gradients;
    let before = values(&session);
    let batch = training(&session, 0, 1).remove(0);
    step(&mut session, batch, 0.25);
    let after = values(&session);
    let moved = before.into_iter().map(|(name, before)| {
        let way = after[&name].iter().zip(before).map(|(after, before)| after - before).collect();
        let gradient = gradients[&name].clone();
        (name, (way, gradient))
    });
    moved.collect()
}

fn norm<'a>(numbers: impl Iterator<Item = &'a f64>) -> f64 {
    numbers.map(|number| number * number).sum::<f64>().sqrt()
}

/// Asserts that `way` is `factor` times the gradient.
fn assert_way(name: &str, way: &[f64], gradient: &[f64], factor: f64) {
    let size = gradient.iter().fold(0.0_f64, |most, number| most.max(number.abs()));
    for (way, gradient) in way.iter().zip(gradient) {
        // Weights are f32 of a size about 1.
        assert!((way - factor * gradient).abs() <= 1e-5 * size + 2e-7, "`{name}`: {way} for a gradient of {gradient}");
    }
}

#[test]
fn without_clipping_a_step_is_the_rate_times_the_gradient() {
    let moved = moved(&["optimizer.clip_norm=0"]);
    assert!(norm(moved.values().flat_map(|(_, gradient)| gradient)) > 1.0, "a gradient that the default would clip");
    for (name, (way, gradient)) in &moved {
        assert_way(name, way, gradient, -0.25);
    }
}

#[test]
fn clipping_bounds_the_norm_of_all_gradients_together() {
    let moved = moved(&["optimizer.clip_norm=0.5"]);
    let factor = 0.5 / norm(moved.values().flat_map(|(_, gradient)| gradient));
    assert!(factor < 1.0);
    for (name, (way, gradient)) in &moved {
        assert_way(name, way, gradient, -0.25 * factor);
    }
}

#[test]
fn a_group_scales_the_rate_of_its_weights() {
    let groups = "optimizer.group=[{match=[\"*.bias\"],learning_rate_scale=0.0},{match=[\"encoder.embeddings.*\"],learning_rate_scale=0.5}]";
    let moved = moved(&["optimizer.clip_norm=0", groups]);
    for (name, (way, gradient)) in &moved {
        let scale = if name.ends_with(".bias") {
            0.0
        } else if name.starts_with("encoder.embeddings.") {
            0.5
        } else {
            1.0
        };
        assert_way(name, way, gradient, -0.25 * scale);
        assert_eq!(way.iter().all(|number| *number == 0.0), scale == 0.0, "`{name}`");
    }
}

#[test]
fn decay_pulls_matrices_and_leaves_biases_and_norms() {
    let with = moved(&["optimizer.clip_norm=0", "optimizer.weight_decay=0.1"]);
    let without = moved(&["optimizer.clip_norm=0"]);
    for (name, (way, _)) in &with {
        let spared = name.ends_with(".bias") || name.contains("LayerNorm");
        assert_eq!(*way == without[name].0, spared, "`{name}`");
    }
}

#[test]
fn a_group_that_matches_nothing_is_refused() {
    let groups = "optimizer.group=[{match=[\"encodr.*\"],learning_rate_scale=0.5}]";
    let error = open(experiment("mlm", &[groups])).err().expect("a misspelt name");
    assert_eq!(error.code, "config/group");
    assert!(error.to_string().contains("`encodr.*`") && error.to_string().contains("encoder."), "{error}");
}

#[test]
fn a_run_ends_when_its_tokens_are_seen() {
    // Rows that do not fill a batch are left out of each epoch, which a mean over all samples would miss.
    for rows in [8, 40] {
        for tokens in [1000, 9000] {
            let folder = Folder::new();
            let text = experiment(
                "mlm",
                &[&format!("run.tokens={tokens}"), &format!("run.batch_rows={rows}"), "run.steps=1000"],
            );
            let finished = train(text, &folder.path("run")).unwrap_or_else(|error| panic!("{error}"));
            let most_in_a_step = 48 * rows;
            assert_eq!(finished.ended, lacuna::train::Ended::Done);
            assert_eq!(finished.step, finished.steps, "the schedule ends with the run");
            assert!(
                finished.tokens >= tokens && finished.tokens < tokens + most_in_a_step,
                "{} of {tokens}",
                finished.tokens
            );
        }
    }
}

#[test]
fn steps_end_a_run_before_its_tokens_where_they_are_fewer() {
    let session = session("mlm", &["run.tokens=100000000", "run.steps=7"]);
    assert_eq!(session.steps, 7);
}

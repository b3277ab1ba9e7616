//! Which weights learn, and which rows reach the vocabulary.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use compute::Tensor;
use lacuna::boundary::{Call, Listener, Listeners};
use lacuna::error::Result;

use super::support::*;

#[test]
fn every_trainable_weight_gets_a_gradient() {
    for (objective, role) in [("mlm", "encoder"), ("clm", "decoder")] {
        let post_norm = [
            format!("model.{role}.pre_norm=false"),
            format!("model.{role}.positions=\"learned\""),
            format!("model.{role}.token_types=2"),
            format!("model.{role}.tied_head=false"),
        ];
        let gated = [format!("model.{role}.glu=true"), format!("model.{role}.num_key_value_heads=1")];
        for changes in [&[][..], &post_norm, &gated] {
            let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
            let mut session = session(objective, &changes);
            let batch = training(&session, 0, 1).remove(0);
            let taken = take(&mut session, batch);
            for weight in session.stepper.weights.trainable() {
                let gradient =
                    taken.gradients.get(weight.name()).unwrap_or_else(|| panic!("none for `{}`", weight.name()));
                let some = gradient.iter().any(|number| *number != 0.0);
                assert!(some, "the gradient of `{}` is nothing but zeros ({objective}, {changes:?})", weight.name());
            }
        }
    }
}

/// Notes the rows that pass a site.
#[derive(Default)]
struct Rows(Mutex<Vec<Tensor>>);

impl Listener for Rows {
    fn at(&self, _: &str, _: &str, tensor: &Tensor) -> Result<Option<Tensor>> {
        self.0.lock().expect("one thread").push(tensor.clone());
        Ok(None)
    }
}

#[test]
fn only_rows_with_a_label_reach_the_vocabulary() {
    for (objective, role, column) in [("mlm", "encoder", "chosen"), ("clm", "decoder", "predicting")] {
        let session = session(objective, &["data.text.packing=true"]);
        let (last, head) = (Arc::new(Rows::default()), Arc::new(Rows::default()));
        let mut listeners = Listeners::default();
        listeners.add(role, "layers.1.output", last.clone());
        listeners.add(role, "heads.tokens", head.clone());
        let batch = objects(training(&session, 0, 1).remove(0)).remove(0);
        let mut options = training_call(&session, 0);
        options.listeners = Arc::new(listeners);
        session.stepper.objective.loss(&Call::new(options), &batch).unwrap_or_else(|error| panic!("{error}"));
        let columns = columns(&batch);
        let (last, head) = (last.0.lock().expect("one thread"), head.0.lock().expect("one thread"));
        assert_eq!((last.len(), head.len()), (1, 1));
        assert_eq!(last[0].dims()[0], columns.numbers["text.tokens"].len());
        assert_eq!(head[0].dims()[0], columns.numbers[column].len());
        assert!(head[0].dims()[0] < last[0].dims()[0]);
    }
}

/// A listener that doubles what it sees.
struct Twice;

impl Listener for Twice {
    fn at(&self, _: &str, _: &str, tensor: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(compute::ops::mul_scalar(tensor, 2.0)?))
    }
}

#[test]
fn what_a_listener_puts_before_the_head_is_what_the_head_sees() {
    let session = session("mlm", &[]);
    let batch = objects(training(&session, 0, 1).remove(0)).remove(0);
    let loss = |sites: &[&str]| {
        let mut listeners = Listeners::default();
        sites.iter().for_each(|site| listeners.add("encoder", site, Arc::new(Twice)));
        let mut options = training_call(&session, 0);
        options.listeners = Arc::new(listeners);
        let result =
            session.stepper.objective.loss(&Call::new(options), &batch).unwrap_or_else(|error| panic!("{error}"));
        result.parts[0].sum.item().expect("a sum")
    };
    assert_ne!(loss(&[]), loss(&["heads.tokens"]));
    assert_eq!(loss(&[]), loss(&["heads.classes"]), "the objective has no such head");
}

/// Steps of descent by the gradient lower the loss of the same batch by what the gradient promises.
#[test]
fn the_loss_falls_by_the_slope_times_the_step() {
    for objective in ["mlm", "clm"] {
        let mut session = session(
            objective,
            &["optimizer.use=\"sgd\"", "optimizer.momentum=0", "optimizer.weight_decay=0", "optimizer.clip_norm=0"],
        );
        let again = |session: &lacuna::train::Session| training(session, 0, 1).remove(0);
        let batch = again(&session);
        let taken = take(&mut session, batch);
        let slope: f64 = taken.gradients.values().flatten().map(|number| number * number).sum();
        // Large against rounding in f32, small against the curvature.
        let rate = 2e-3 / slope;
        let batch = again(&session);
        step(&mut session, batch, rate);
        let batch = again(&session);
        let fallen = taken.loss - take(&mut session, batch).loss;
        assert!(close(fallen, 2e-3, 0.02), "{objective}: the loss fell by {fallen}, the gradient promises 2e-3");
    }
}

#[test]
fn a_tied_head_is_one_weight() {
    let tied = session("mlm", &[]);
    let untied = session("mlm", &["model.encoder.tied_head=false"]);
    let names = |session: &lacuna::train::Session| -> BTreeMap<String, usize> {
        session
            .stepper
            .weights
            .owners()
            .iter()
            .map(|weight| (weight.name().to_owned(), weight.shape().iter().product()))
            .collect()
    };
    let (tied, untied) = (names(&tied), names(&untied));
    let only: Vec<_> = untied.keys().filter(|name| !tied.contains_key(*name)).collect();
    assert_eq!(only, ["objective.encoder.tokens.cls.predictions.decoder.weight"]);
}

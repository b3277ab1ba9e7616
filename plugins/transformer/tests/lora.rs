//! Low-rank changes: nothing at first, the only thing that learns, as many numbers as they should be.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "shared with other tests")]
mod support;

use compute::{Gradients, Value, backward, ops};
use lacuna::boundary::{Call, CallOptions};
use support::{Built, build, numbers};

const TOKENS: [u32; 6] = [5, 17, 30, 8, 8, 21];
const RANK: usize = 3;

fn settings(rank: usize, targets: &[&str]) -> String {
    serde_json::json!({
        "width": 16, "num_layers": 2, "num_heads": 4, "num_key_value_heads": 2, "maximum_length": 16,
        "dropout": 0.0, "attention_dropout": 0.0, "initial_std": 0.3, "lora_rank": rank, "lora_alpha": 6.0,
        "lora_targets": targets,
    })
    .to_string()
}

fn built(rank: usize) -> Built {
    build(40, &settings(rank, &["query", "value"])).unwrap()
}

fn logits(built: &Built) -> Vec<f32> {
    let hidden_nd = built.run(&TOKENS, &[6], &[]).unwrap()["hidden"].clone();
    numbers(&built.head("tokens", 0).unwrap()(&hidden_nd).unwrap())
}

#[test]
fn at_first_they_change_nothing_and_then_something() {
    let (plain, changed) = (built(0), built(RANK));
    assert_eq!(logits(&plain), logits(&changed));
    let up = changed.context.weights.all().into_iter().find(|weight| weight.name().ends_with("query.lora_up"));
    let up = up.unwrap();
    up.set_value(&Value::from_vec(vec![0.5_f32; 16 * RANK], (16, RANK), &compute::Device::Cpu).unwrap()).unwrap();
    let hidden = |built: &Built| numbers(&built.run(&TOKENS, &[6], &[]).unwrap()["hidden"]);
    assert_ne!(hidden(&plain), hidden(&changed));
}

#[test]
fn of_the_model_they_alone_learn_with_as_many_numbers_as_they_should_be() {
    for targets in [&["query", "value"][..], &["query", "key", "value", "output"], &["key"]] {
        let built = build(40, &settings(RANK, targets)).unwrap();
        let learning: usize = built
            .context
            .weights
            .all()
            .iter()
            .filter(|weight| weight.trainable())
            .map(|weight| {
                assert!(weight.name().contains(".lora_"), "{}", weight.name());
                weight.shape().iter().product::<usize>()
            })
            .sum();
        let outputs = |target: &str| if target == "query" || target == "output" { 16 } else { 8 };
        let expected: usize = targets.iter().map(|target| 2 * RANK * (16 + outputs(target))).sum();
        assert_eq!(learning, expected, "{targets:?}");
    }
    assert!(built(0).context.weights.all().iter().all(|weight| weight.trainable()));
}

#[test]
fn gradients_reach_them_and_the_head_alone() {
    let built = built(RANK);
    let head = built.head("tokens", 0).unwrap();
    let call = Call::new(CallOptions::training(3, 1, compute::Device::Cpu));
    let tokens_n = compute::Tensor::from_slice(&TOKENS, &[6], &compute::Device::Cpu).unwrap();
    let hidden_nd = built.run_on("tokens", tokens_n, &[6], 0..u32::MAX, &[], true).unwrap()["hidden"].clone();
    drop((head, call));
    let mut gradients = Gradients::default();
    let sum = ops::sum_all(&ops::square(&hidden_nd).unwrap()).unwrap();
    backward(&ops::mul(&sum, &sum).unwrap(), None, false, &mut gradients).unwrap();
    for weight in built.context.weights.all() {
        let reached = gradients.get(&weight.leaf()).is_some();
        assert_eq!(reached, weight.name().contains("lora_"), "{}", weight.name());
    }
    assert!(built.context.weights.all().iter().any(|weight| {
        weight.trainable() && weight.name().starts_with("objective") && weight.name().ends_with("predictions.bias")
    }));
}

#[test]
fn they_need_something_to_change() {
    let error = build(40, &settings(RANK, &[])).err().expect("it is refused");
    assert_eq!(error.text, "setting `lora_targets` is empty, so that nothing but heads would learn");
}

//! Masked token optimisation: what it measures, and that it changes nothing where nothing is asked for.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use compute::{Device, Tensor, Value};
use experiment::Experiment;
use lacuna::boundary::{Call, Content, batch_object};
use lacuna::conformance::beside_the_test;
use lacuna::train::Session;
use simmim as _;
// Links the encoder, which sessions find beside this program.
use vit as _;

/// Pixels of a patch, which here are its embedding.
const WIDTH: usize = 4;
const PATCHES: usize = 4;

fn session(changes: &[&str]) -> Session {
    let text = "[run]\nsteps = 1\nbatch_rows = 4\n[data.image]\nheight = 4\nwidth = 4\nchannels = 1\nsamples = 4\nvalid_samples = 4\n\
        [model.encoder]\nfamily = 'vit'\nwidth = 4\nnum_layers = 3\nnum_heads = 2\npatch_size = 2\nmask_token = true\n\
        positions = 'none'\n[objective]\nuse = 'simmim'\nmask_size = 2\nmask_rate = 0.5\n";
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    let experiment = Experiment::from_text(text, Path::new("mto.toml"), &changes).unwrap();
    let catalogue = beside_the_test();
    Session::open(experiment, &catalogue, &mut |_, _, _| {}).unwrap_or_else(|error| panic!("{error}"))
}

/// Embeddings are pixels, and mask tokens what is given.
fn embed_pixels(session: &Session, mask_token: [f32; WIDTH]) {
    for weight in session.stepper.weights.all() {
        let values: Vec<f32> = match weight.name() {
            "encoder.embeddings.patch_embeddings.projection.weight" => {
                (0..WIDTH * WIDTH).map(|at| f32::from(u8::from(at / WIDTH == at % WIDTH))).collect()
            }
            "encoder.embeddings.patch_embeddings.projection.bias" => vec![0.0; WIDTH],
            "encoder.embeddings.mask_token" => mask_token.to_vec(),
            _ => continue,
        };
        weight.set_value(&Value::from_slice(&values, weight.shape(), &Device::Cpu).unwrap()).unwrap();
    }
}

/// The loss of one picture whose first two patches are hidden, and the metrics beside it. `visible` are its last two patches.
fn measured(session: &Session, visible: [[f32; WIDTH]; 2]) -> (f64, BTreeMap<String, f64>) {
    let patches = [[7.0; WIDTH], [7.0; WIDTH], visible[0], visible[1]];
    // Patch, row and column of a pixel of 4 × 4.
    let pixel = |at: usize| {
        let (row, column) = (at / 4, at % 4);
        patches[row / 2 * 2 + column / 2][row % 2 * 2 + column % 2]
    };
    let pixels: Vec<f32> = (0..16).map(pixel).collect();
    let tensor = |made: compute::Result<Tensor>| Content::from(made.unwrap());
    let flags = Tensor::from_slice(&[1_u8, 1, 0, 0], &[PATCHES], &Device::Cpu).unwrap();
    let batch = batch_object([
        ("image.pixels".to_owned(), tensor(Tensor::from_slice(&pixels, &[1, 1, 4, 4], &Device::Cpu))),
        ("simmim.masked".to_owned(), tensor(compute::ops::cast(&flags, compute::DType::Bool))),
        ("simmim.predicted".to_owned(), tensor(Tensor::from_slice(&[1_i64, 2], &[2], &Device::Cpu))),
        ("simmim.targets".to_owned(), tensor(Tensor::from_slice(&[7.0_f32; 2 * WIDTH], &[2, WIDTH], &Device::Cpu))),
        ("simmim.keys".to_owned(), tensor(Tensor::from_slice(&[0_i64], &[1], &Device::Cpu))),
        ("simmim.rows".to_owned(), tensor(Tensor::from_slice(&[5_u32], &[1], &Device::Cpu))),
    ])
    .unwrap();
    let call = Call::new(session.evaluation());
    let result = session.stepper.objective.loss(&call, &batch).unwrap_or_else(|error| panic!("{error}"));
    let number = |tensor: &Tensor| f64::from(tensor.value().flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]);
    let mean = |sum: &Tensor, count: &Tensor| number(sum) / number(count);
    let mut found: BTreeMap<String, f64> =
        result.metrics.iter().map(|metric| (metric.name.clone(), mean(&metric.sum, &metric.count))).collect();
    found.extend(result.parts.iter().map(|part| (part.name.clone(), mean(&part.sum, &part.count))));
    (found["loss"], found)
}

const EAST: [f32; WIDTH] = [1.0, 0.0, 0.0, 0.0];
const NORTH: [f32; WIDTH] = [0.0, 1.0, 0.0, 0.0];
const UP: [f32; WIDTH] = [0.0, 0.0, 1.0, 0.0];

#[test]
fn heterogeneity_is_one_for_equal_affinities_and_zero_for_one_alone() {
    let session =
        session(&["objective.mto_report=true", "objective.mto_temperature=0.02", "objective.mto_sparsity=1.0"]);
    embed_pixels(&session, [1.0, 1.0, 0.0, 0.0]);
    let (_, equal) = measured(&session, [EAST, NORTH]);
    assert!((equal["heterogeneity_0"] - 1.0).abs() < 1e-5, "{equal:?}");
    assert!((equal["sparsity"] - 0.5_f64.sqrt()).abs() < 1e-5, "{equal:?}");
    embed_pixels(&session, EAST);
    let (_, alone) = measured(&session, [EAST, NORTH]);
    assert!(alone["heterogeneity_0"].abs() < 1e-5, "{alone:?}");
    assert!((alone["sparsity"] - 0.5).abs() < 1e-5, "{alone:?}");
    embed_pixels(&session, UP);
    assert!(measured(&session, [EAST, NORTH]).1["sparsity"].abs() < 1e-6);
}

#[test]
fn asking_for_nothing_and_looking_on_change_nothing() {
    let losses: Vec<f64> = [&[][..], &["objective.mto_report=true"], &["objective.mto_entropy=0.1"]]
        .iter()
        .map(|changes| measured(&session(changes), [EAST, NORTH]).0)
        .collect();
    assert!(losses.iter().all(|loss| *loss == losses[0]), "{losses:?}");
}

#[test]
fn keys_without_affinity_count_as_before_and_others_less() {
    let of = |damped: bool, mask_token| {
        let session = session(if damped { &["objective.mto_layers=1"] } else { &[] });
        embed_pixels(&session, mask_token);
        // Queries and keys of some size, so that attention tells rows apart.
        for weight in session.stepper.weights.all().iter().filter(|weight| weight.name().contains("layer.0.attention"))
        {
            let count: usize = weight.shape().iter().product();
            let values: Vec<f32> = (0..count).map(|at| ((at * 7 + 3) % 11) as f32 * 0.2 - 1.0).collect();
            weight.set_value(&Value::from_slice(&values, weight.shape(), &Device::Cpu).unwrap()).unwrap();
        }
        measured(&session, [EAST, NORTH]).0
    };
    assert_eq!(of(true, UP), of(false, UP));
    assert!((of(true, EAST) - of(false, EAST)).abs() > 1e-7, "{} {}", of(true, EAST), of(false, EAST));
}

#[test]
fn what_leaves_too_little_is_refused() {
    let text = std::panic::catch_unwind(|| session(&["objective.mto_report=true", "objective.mask_rate=0.75"])).err();
    let text = text.and_then(|panic| panic.downcast_ref::<String>().cloned()).unwrap();
    assert!(text.contains("leaves 1 of 4 patches visible"), "{text}");
}

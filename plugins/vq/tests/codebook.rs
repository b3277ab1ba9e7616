//! Codebooks: nearest vectors, averages that follow their patches, gradients.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Instant;

// Links the objective, which sessions find beside this program.
use autoencode as _;
use compute::layout::Layout;
use compute::{Device, Tensor};
use experiment::Experiment;
use lacuna::boundary::{Batch, Call, CallOptions, Content, ForwardRequest, batch_object};
use lacuna::conformance::beside_the_test;
use lacuna::signals::StopFlag;
use lacuna::train::{Finished, RunOptions, Session, train};

const CODES: usize = 5;
const WIDTH: usize = 3;

fn experiment(changes: &[&str]) -> Experiment {
    let text = format!(
        "[run]\nsteps = 40\nbatch_rows = 8\n[data.image]\nheight = 8\nwidth = 12\nchannels = 2\nsamples = 64\nvalid_samples = 16\n\
         [model.tokenizer]\nfamily = 'vq'\ncodes = {CODES}\ncode_width = {WIDTH}\npatch_size = 4\nwidth = 16\nnum_layers = 1\n\
         num_heads = 2\n[objective]\nuse = 'autoencode'\n[optimizer]\nlearning_rate = 0.003\n"
    );
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    Experiment::from_text(&text, Path::new("codebook.toml"), &changes).unwrap()
}

fn session(changes: &[&str]) -> Session {
    Session::open(experiment(changes), &beside_the_test(), &mut |_, _, _| {}).unwrap_or_else(|error| panic!("{error}"))
}

/// A tensor's numbers.
fn numbers(tensor: &Tensor) -> Vec<f64> {
    let value = tensor.value().to_dtype(compute::DType::F64.candle()).unwrap();
    value.flatten_all().unwrap().to_vec1().unwrap()
}

/// An output of the tokenizer by name, for an input of `rows` rows.
fn output(session: &Session, input: (&str, Tensor), rows: &[usize], name: &str) -> Vec<f64> {
    let inputs = batch_object([(input.0.to_owned(), Content::from(input.1))]).unwrap();
    let layout = Layout::new(rows, &(0..rows.len() as u64).collect::<Vec<_>>()).unwrap();
    let wanted = if name == "hidden" { Vec::new() } else { vec![name] };
    let (layers, wanted) = (0..u32::MAX, wanted.as_slice());
    let request = ForwardRequest { workflow: "tokenize", inputs: &inputs, layout: &layout, masks: &[], layers, wanted };
    let outputs = session.models["tokenizer"].forward(&Call::new(session.evaluation()), &request).unwrap();
    let Content::Batch(outputs) = outputs.content() else { panic!("the outputs are a batch") };
    numbers(&Batch::tensor(outputs, name).unwrap())
}

fn rows_of(values: &[f64]) -> Tensor {
    let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    Tensor::from_slice(&values, &[values.len() / WIDTH, WIDTH], &Device::Cpu).unwrap()
}

fn nearest(row: &[f64], vectors: &[f64]) -> f64 {
    let distance = |vector: &[f64]| vector.iter().zip(row).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let distances: Vec<f64> = vectors.chunks(WIDTH).map(distance).collect();
    (0..CODES).min_by(|a, b| distances[*a].total_cmp(&distances[*b])).unwrap() as f64
}

#[test]
fn a_row_takes_its_nearest_vector() {
    for codebook in ["gradient", "average"] {
        let session = session(&[&format!("model.tokenizer.codebook={codebook}")]);
        let all: Vec<i64> = (0..CODES as i64).collect();
        let all = Tensor::from_slice(&all, &[CODES], &Device::Cpu).unwrap();
        let vectors = output(&session, ("codes", all), &[CODES], "hidden");
        let own = output(&session, ("latents", rows_of(&vectors)), &[CODES], "codes");
        assert_eq!(own, [0.0, 1.0, 2.0, 3.0, 4.0], "vectors are their own nearest");
        let rows: Vec<f64> = (0..60).map(|at| (f64::from(at) * 1.37).sin() * 2.0).collect();
        let expected: Vec<f64> = rows.chunks(WIDTH).map(|row| nearest(row, &vectors)).collect();
        assert_eq!(output(&session, ("latents", rows_of(&rows)), &[20], "codes"), expected);
    }
}

/// The averages after a step, by name, with the latents and codes of its patches.
fn step(session: &Session) -> ([Vec<f64>; 2], Vec<f64>, Vec<f64>) {
    let micro = session.training_batches(0, 1).next().unwrap().unwrap().micro.remove(0);
    let batch = micro.on_device(&Device::Cpu).unwrap();
    let options = CallOptions { step: 0, ..session.stepper.options.clone() };
    let result = session.stepper.objective.loss(&Call::new(options), &batch).unwrap_or_else(|error| panic!("{error}"));
    let of = |name: &str| {
        let update = result.updates.iter().find(|update| update.buffer.name().ends_with(name)).unwrap();
        numbers(&update.value)
    };
    let Content::Batch(columns) = batch.content() else { panic!("a batch") };
    let pixels = Batch::tensor(columns, "image.pixels").unwrap();
    let rows = vec![6; pixels.dims()[0]];
    let [latents, codes] = ["latents", "codes"].map(|name| output(session, ("pixels", pixels.clone()), &rows, name));
    ([of("counts"), of("sums")], latents, codes)
}

#[test]
fn averages_follow_the_patches_that_chose_them() {
    for decay in [0.0, 0.9] {
        let session = session(&[&format!("model.tokenizer.decay={decay:?}")]);
        let before = |name: &str| {
            let buffer =
                session.stepper.weights.buffers().into_iter().find(|buffer| buffer.name().ends_with(name)).unwrap();
            numbers(&buffer.tensor())
        };
        let (old_counts, old_sums) = (before("counts"), before("sums"));
        let ([counts, sums], latents, codes) = step(&session);
        let mut hit = 0;
        for code in 0..CODES {
            let own: Vec<&[f64]> =
                latents.chunks(WIDTH).zip(&codes).filter(|(_, own)| **own == code as f64).map(|(row, _)| row).collect();
            let count = decay * old_counts[code] + (1.0 - decay) * own.len() as f64;
            assert!((counts[code] - count).abs() < 1e-4, "{} is not {count}", counts[code]);
            for at in 0..WIDTH {
                let sum = own.iter().map(|row| row[at]).sum::<f64>();
                let expected = decay * old_sums[code * WIDTH + at] + (1.0 - decay) * sum;
                assert!((sums[code * WIDTH + at] - expected).abs() < 1e-3);
                if decay == 0.0 && !own.is_empty() {
                    // Then a vector is the mean of its patches.
                    let mean = sum / own.len() as f64;
                    assert!((sums[code * WIDTH + at] / counts[code] - mean).abs() < 1e-4);
                }
            }
            hit += usize::from(!own.is_empty());
        }
        assert!(hit > 1, "patches chose different codes");
    }
}

#[test]
fn codes_that_nobody_takes_begin_anew_at_patches() {
    let session = session(&["model.tokenizer.decay=0.0", "model.tokenizer.revive_below=1000.0"]);
    let ([counts, sums], latents, _) = step(&session);
    assert_eq!(counts, [1.0; CODES]);
    for vector in sums.chunks(WIDTH) {
        let near = |row: &[f64]| row.iter().zip(vector).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(latents.chunks(WIDTH).any(near), "{vector:?} is no patch");
    }
}

fn run(out: &Path, changes: &[&str], resume: bool, until: Option<u64>) -> Finished {
    let options = RunOptions {
        out: Some(out.to_path_buf()),
        resume,
        stop: StopFlag::default(),
        report: false,
        profile: false,
        until,
        started: Instant::now(),
        command: vec!["test".into()],
    };
    train(experiment(changes), &beside_the_test(), &options).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn codebooks_learn_and_survive_stopping() {
    let folder = tempfile::tempdir().unwrap();
    for codebook in ["gradient", "average"] {
        let change = format!("model.tokenizer.codebook={codebook}");
        let [whole, stopped, first] =
            ["whole", "stopped", "first"].map(|name| folder.path().join(format!("{codebook}-{name}")));
        let last = run(&whole, &[&change], false, None).held_out.unwrap().loss;
        run(&stopped, &[&change], false, Some(7));
        run(&stopped, &[&change], true, None);
        let saved = |run: &Path| std::fs::read(run.join("checkpoints/last/model.safetensors")).unwrap();
        assert!(saved(&whole) == saved(&stopped), "stopping and resuming matters ({codebook})");
        let begun = run(&first, &[&change, "run.steps=1"], false, None).held_out.unwrap().loss;
        assert!(last < begun - 0.05, "{last} after {begun} ({codebook})");
    }
    // Averages get no gradient: they are no weights.
    let session = session(&[]);
    assert!(session.stepper.weights.all().iter().all(|weight| !weight.name().contains("sums")));
}

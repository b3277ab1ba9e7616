//! What must hold exactly: constant confidences weigh nothing, and the recogniser is never trained.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use compute::{Device, Value};
use experiment::Experiment;
use lacuna::boundary::{Call, CallOptions, LossResult};
use lacuna::conformance::beside_the_test;
use lacuna::train::Session;

/// Tones of 0.3 to 0.8 seconds at 8 kHz with one of three labels each.
fn tones(folder: &Path) {
    for number in 0..6_usize {
        let data: Vec<u8> = (0..2400 + 800 * number)
            .flat_map(|at| (((at as f64 * (0.1 + 0.15 * number as f64)).sin() * 8000.0) as i16).to_le_bytes())
            .collect();
        let mut wave = b"RIFF".to_vec();
        wave.extend((36 + data.len() as u32).to_le_bytes());
        wave.extend(b"WAVEfmt ");
        wave.extend([16_u32.to_le_bytes(), [1, 0, 1, 0], 8000_u32.to_le_bytes(), 16000_u32.to_le_bytes()].concat());
        wave.extend([2, 0, 16, 0]);
        wave.extend(b"data");
        wave.extend((data.len() as u32).to_le_bytes());
        wave.extend(data);
        std::fs::write(folder.join(format!("{}_ann_{number}.wav", number % 3)), wave).unwrap();
    }
}

fn session(folder: &Path, changes: &[&str]) -> Session {
    let model =
        "family = \"conformer\"\nwidth = 8\nnum_layers = 1\nnum_heads = 2\nkernel = 3\nchannels = 2\ndropout = 0.0\n";
    let text = format!(
        "[run]\nseed = 3\nsteps = 6\nbatch_rows = 3\n\
         [data.audio]\nsource = \"files\"\nfiles = [{folder:?}]\npattern = \"{{label}}_{{speaker}}_*.wav\"\nrate = 8000\nbins = 8\n\
         frames = 100\nunits = 4\nunit_restarts = 1\nunit_iterations = 5\nunit_features = \"frames\"\n\
         [model.encoder]\n{model}[model.scorer]\n{model}frozen = true\n\
         [objective]\nuse = \"ask2mask\"\nspan = 2\nunit_width = 8\n[optimizer]\nlearning_rate = 0.01\n[schedule]\nuse = \"constant\"\n"
    );
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    let experiment =
        Experiment::from_text(&text, Path::new("tiny.toml"), &changes).unwrap_or_else(|error| panic!("{error}"));
    let catalogue = beside_the_test();
    Session::open(experiment, &catalogue, &mut |_, _, _| {}).unwrap_or_else(|error| panic!("{error}"))
}

fn result(session: &Session) -> LossResult {
    let batch = session.training_batches(0, 1).next().unwrap().unwrap().micro.into_iter().next().unwrap();
    let call = Call::new(CallOptions { step: 0, ..session.stepper.options.clone() });
    let batch = batch.on_device(&Device::Cpu).unwrap();
    session.stepper.objective.loss(&call, &batch).unwrap_or_else(|error| panic!("{error}"))
}

/// A recogniser that says nothing: every class as likely in every row.
#[test]
fn constant_confidences_weigh_all_sounds_alike_and_hide_what_uniform_starts_hide() {
    let folder = tempfile::tempdir().unwrap();
    tones(folder.path());
    let mut losses = Vec::new();
    for policy in ["uniform", "top", "weighted", "mix", "low"] {
        for weigh in ["true", "false"] {
            let changes = [format!("objective.policy={policy}"), format!("objective.weigh_sounds={weigh}")];
            let session = session(folder.path(), &changes.each_ref().map(String::as_str));
            for weight in session.stepper.weights.all().iter().filter(|weight| weight.name().contains("scorer.classes"))
            {
                assert!(!weight.trainable(), "{}", weight.name());
                let zeros = Value::zeros(weight.shape(), weight.value().dtype(), &Device::Cpu).unwrap();
                weight.set_value(&zeros).unwrap();
            }
            let result = result(&session);
            losses.push(result.parts[0].sum.item().unwrap() / result.parts[0].count.item().unwrap());
            let confidence = result.metrics.iter().find(|metric| metric.name == "confidence").unwrap();
            let mean = confidence.sum.item().unwrap() / confidence.count.item().unwrap();
            assert!((mean - 0.25).abs() < 1e-6, "three labels and the blank: {mean}");
        }
    }
    assert!(losses.iter().all(|loss| (loss - losses[0]).abs() < 1e-5), "{losses:?}");
}

//! Tiny sessions of the objective on a few tones of different lengths, their batches, and what came of a call.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use compute::{DType, Device, Gradients, Tensor, Value, ops};
use experiment::Experiment;
use lacuna::boundary::{Call, CallOptions, Content, LossResult, Object};
use lacuna::conformance::beside_the_test;
use lacuna::error::Result;
use lacuna::train::{Guards, Meters, Session};

/// Tones of 0.3 to 0.8 seconds at 8 kHz, each with a label; written once.
fn tones() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("w2v-bert-tones");
        std::fs::create_dir_all(&folder).unwrap();
        for number in 0..6_usize {
            let samples = 2400 + 800 * number;
            let tone = |at: usize| ((at as f64 * (0.1 + 0.15 * number as f64)).sin() * 8000.0) as i16;
            let data: Vec<u8> = (0..samples).flat_map(|at| tone(at).to_le_bytes()).collect();
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
        folder
    })
}

pub(crate) fn open(changes: &[&str]) -> Result<Session> {
    let text = format!(
        "[run]\nseed = 3\nsteps = 6\nbatch_rows = 3\n\
         [data.audio]\nsource = \"files\"\nfiles = [{:?}]\npattern = \"{{label}}_{{speaker}}_*.wav\"\nrate = 8000\nbins = 32\n\
         frames = 100\nunits = 0\n\
         [model.encoder]\nfamily = \"conformer\"\nwidth = 8\nnum_layers = 2\nnum_heads = 2\nkernel = 3\nchannels = 1\ndropout = 0.0\n\
         [objective]\nuse = \"w2v-bert\"\ncontrastive_layers = 1\nstart_probability = 0.2\nspan = 3\ncodes = 8\ncode_width = 8\n\
         contrast_width = 8\ndistractors = 5\n[optimizer]\nlearning_rate = 0.01\n[schedule]\nuse = \"constant\"\n",
        tones()
    );
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    let experiment =
        Experiment::from_text(&text, Path::new("tiny.toml"), &changes).unwrap_or_else(|error| panic!("{error}"));
    let catalogue = beside_the_test();
    Session::open(experiment, &catalogue, &mut |_, _, _| {})
}

pub(crate) fn session(changes: &[&str]) -> Session {
    open(changes).unwrap_or_else(|error| panic!("{error}"))
}

/// The training batches of the first steps.
pub(crate) fn batches(session: &Session, last: u64) -> Vec<Arc<Object>> {
    let steps = session.training_batches(0, last).map(|batch| batch.unwrap_or_else(|error| panic!("{error}")));
    steps.map(|batch| batch.micro.into_iter().next().unwrap().on_device(&Device::Cpu).unwrap()).collect()
}

/// A column of a batch as numbers.
pub(crate) fn column(batch: &Object, name: &str) -> Vec<f64> {
    match batch.content() {
        Content::Batch(batch) => flat(batch.tensor(name).unwrap().value()),
        _ => panic!("not a batch"),
    }
}

/// The rows of each sound of a batch.
pub(crate) fn lengths(batch: &Object) -> Vec<usize> {
    let Content::Batch(batch) = batch.content() else { panic!("not a batch") };
    let layout = batch.get("audio.layout").unwrap();
    match layout.content() {
        Content::Layout(layout) => layout.lengths().collect(),
        _ => panic!("not a layout"),
    }
}

/// The result of a call in training, or in evaluation.
pub(crate) fn result(session: &Session, batch: &Arc<Object>, training: bool) -> LossResult {
    let options = if training { session.stepper.options.clone() } else { session.evaluation() };
    let call = Call::new(CallOptions { step: 0, ..options });
    session.stepper.objective.loss(&call, batch).unwrap_or_else(|error| panic!("{error}"))
}

/// The means of the loss parts.
pub(crate) fn losses(session: &Session, batch: &Arc<Object>, training: bool) -> BTreeMap<String, f64> {
    let parts = result(session, batch, training).parts;
    let mean = |sum: &Tensor, count: &Tensor| sum.item().unwrap() / count.item().unwrap();
    parts.iter().map(|part| (part.name.clone(), mean(&part.sum, &part.count))).collect()
}

/// The weights that some of the loss, weighted as the loop does, gives a gradient other than zero.
pub(crate) fn reached(session: &Session, counted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut gradients = Gradients::default();
    for part in result(session, &batches(session, 1)[0], true).parts.iter().filter(|part| counted(&part.name)) {
        let weighted = ops::mul_scalar(&ops::reshape(&part.sum, &[]).unwrap(), part.weight).unwrap();
        compute::backward(&weighted, None, true, &mut gradients).unwrap();
    }
    let moved = |gradient: &Value| flat(gradient).iter().any(|number| *number != 0.0);
    let weights = session.stepper.weights.trainable();
    let reached = weights.iter().filter(|weight| gradients.get(&weight.leaf()).is_some_and(moved));
    reached.map(|weight| weight.name().to_owned()).collect()
}

pub(crate) fn flat(value: &Value) -> Vec<f64> {
    value.to_dtype(DType::F64.candle()).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()
}

/// Sets every element of a weight.
pub(crate) fn set(session: &Session, name: &str, of: impl Fn(usize) -> f64) {
    let weight = session.stepper.weights.get(name).unwrap_or_else(|| panic!("no weight {name}"));
    let numbers: Vec<f32> = (0..weight.shape().iter().product()).map(|index| of(index) as f32).collect();
    weight.set_value(&Value::from_vec(numbers, weight.shape(), &Device::Cpu).unwrap()).unwrap();
}

/// One step of the loop with batch `number`.
pub(crate) fn step(session: &mut Session, number: u64) {
    let batch = session.training_batches(number, number + 1).next().unwrap().unwrap();
    let (mut guards, mut meters) = (Guards::new("test", 0, 0), Meters::default());
    let report = session.stepper.step(batch, 0.01, &mut guards, &mut meters).unwrap_or_else(|error| panic!("{error}"));
    assert!(report.stepped);
}

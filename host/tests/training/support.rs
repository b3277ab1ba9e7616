//! Tiny sessions, their batches as numbers, and steps whose gradients are kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use batching::BatchSettings;
use compute::layout::Layout;
use compute::optimizer::{Optimizer, StepReport};
use compute::weights::{Saved, Weights};
use compute::{Gradients, Tensor};
use experiment::Experiment;
use lacuna::boundary::{Batch, Call, CallOptions, Content, Object};
pub(super) use lacuna::conformance::beside_the_test;
use lacuna::data::{BatchMaker, StepBatch};
use lacuna::error::Result;
use lacuna::signals::StopFlag;
use lacuna::train::{Finished, Guards, Meters, RunOptions, Session};

/// Bytes of the novels that the tests learn from and are measured on.
const TRAIN_BYTES: usize = 9000;
const VALID_BYTES: usize = 2500;

/// Files for one test, removed with it.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }
}

/// Text and prepared shards that all tests share.
static CORPUS: LazyLock<Folder> = LazyLock::new(|| {
    let novels = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/text");
    let excerpt = |file: &str, bytes: usize| {
        let text = std::fs::read_to_string(novels.join(file)).expect("the novels of the repository");
        text.chars().filter(char::is_ascii).skip(2000).take(bytes).collect::<String>()
    };
    let folder = Folder::new();
    folder.write("train.txt", &excerpt("train/Doyle_Hound_1902.txt", TRAIN_BYTES));
    folder.write("valid.txt", &excerpt("valid/Chesterton_Napoleon_1904.txt", VALID_BYTES));
    folder
});

fn text(role: &str, objective: &str, train: &Path, valid: &Path, cache: &Path) -> String {
    format!(
        r#"
[run]
seed = 3
steps = 20
batch_rows = 8
log_every_steps = 1
[data.text]
files = [{train:?}]
valid_files = [{valid:?}]
cache = {cache:?}
tokenizer = "bytes"
documents = "paragraph"
length = 48
[model.{role}]
family = "transformer"
causal = {causal}
width = 16
num_layers = 2
num_heads = 2
positions = "rotary"
pre_norm = true
norm_epsilon = 1e-5
initial_std = 0.2
dropout = 0.0
attention_dropout = 0.0
[objective]
use = "{objective}"
[optimizer]
learning_rate = 0.01
[schedule]
use = "constant"
"#,
        causal = role == "decoder",
    )
}

fn experiment_on(objective: &str, train: &Path, valid: &Path, cache: &Path, changes: &[&str]) -> Experiment {
    let role = if objective == "clm" { "decoder" } else { "encoder" };
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    let text = text(role, objective, train, valid, cache);
    Experiment::from_text(&text, &cache.join("tiny.toml"), &changes).unwrap_or_else(|error| panic!("{error}"))
}

/// The tiny experiment of `objective` with some keys changed.
pub(super) fn experiment(objective: &str, changes: &[&str]) -> Experiment {
    experiment_on(objective, &CORPUS.path("train.txt"), &CORPUS.path("valid.txt"), &CORPUS.path("cache"), changes)
}

/// The tiny experiment on other text.
pub(super) fn experiment_with_text(
    folder: &Folder,
    objective: &str,
    train: &str,
    valid: &str,
    changes: &[&str],
) -> Experiment {
    let (train, valid) = (folder.write("train.txt", train), folder.write("valid.txt", valid));
    experiment_on(objective, &train, &valid, &folder.path("cache"), changes)
}

pub(super) fn open(experiment: Experiment) -> Result<Session> {
    Session::open(experiment, &beside_the_test(), &mut |_, _, _| {})
}

/// The tiny session of `objective` with some keys changed.
pub(super) fn session(objective: &str, changes: &[&str]) -> Session {
    open(experiment(objective, changes)).unwrap_or_else(|error| panic!("{error}"))
}

/// All samples of the training text as one batch, in their order; packed, several share a row.
pub(super) fn everything(session: &Session, packing: bool) -> StepBatch {
    let length = session.text().expect("text").settings.length;
    let settings = BatchSettings { rows: 1_000_000, length, packing, by_length: false };
    let objective = session.stepper.objective.clone();
    let maker = BatchMaker::new(session.text().expect("text").train.clone(), objective, session.experiment.run.seed);
    let mut batches = maker.evaluation(settings, None, 0).expect("a plan");
    batches.next().expect("one batch").unwrap_or_else(|error| panic!("{error:?}"))
}

/// The training batches of some steps.
pub(super) fn training(session: &Session, first: u64, last: u64) -> Vec<StepBatch> {
    session.training_batches(first, last).map(|batch| batch.unwrap_or_else(|error| panic!("{error:?}"))).collect()
}

/// A micro-batch as numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Columns {
    pub(super) numbers: BTreeMap<String, Vec<f64>>,
    pub(super) offsets: Vec<usize>,
    pub(super) positions: Vec<u32>,
    pub(super) samples: Vec<u64>,
    pub(super) sequences: Vec<usize>,
}

impl Columns {
    /// The column as indices.
    pub(super) fn rows(&self, name: &str) -> Vec<usize> {
        self.numbers[name].iter().map(|number| *number as usize).collect()
    }

    /// The segment that a row lies in.
    pub(super) fn segment(&self, row: usize) -> usize {
        self.offsets.partition_point(|offset| *offset <= row) - 1
    }

    /// Sample and position of a row.
    pub(super) fn place(&self, row: usize) -> (u64, usize) {
        let segment = self.segment(row);
        (self.samples[segment], row - self.offsets[segment])
    }
}

pub(super) fn content(batch: &Object) -> &Batch {
    match batch.content() {
        Content::Batch(batch) => batch,
        _ => panic!("not a batch"),
    }
}

pub(super) fn layout(batch: &Object) -> Layout {
    content(batch).layout("text.layout").expect("the layout of the text")
}

pub(super) fn columns(batch: &Object) -> Columns {
    let layout = layout(batch);
    let batch = content(batch);
    let names = batch.names().into_iter().filter(|name| name != "text.layout");
    let numbers = names.map(|name| (name.clone(), numbers(&batch.tensor(&name).expect("a tensor")))).collect();
    Columns {
        numbers,
        offsets: layout.offsets().to_vec(),
        positions: layout.positions().to_vec(),
        samples: layout.row_keys().to_vec(),
        sequences: layout.sequences().to_vec(),
    }
}

/// The micro-batches of a step as objects on the device.
pub(super) fn objects(batch: StepBatch) -> Vec<Arc<Object>> {
    batch.micro.into_iter().map(|micro| micro.on_device(&compute::Device::Cpu).expect("a batch")).collect()
}

/// The micro-batches of a step as numbers.
pub(super) fn step_columns(batch: StepBatch) -> Vec<Columns> {
    objects(batch).iter().map(|batch| columns(batch)).collect()
}

/// The elements of a tensor.
pub(super) fn numbers(tensor: &Tensor) -> Vec<f64> {
    flat(tensor.value())
}

/// The elements of a value.
pub(super) fn flat(value: &compute::Value) -> Vec<f64> {
    let value = value.to_dtype(compute::DType::F64.candle()).and_then(|value| value.flatten_all());
    value.and_then(|value| value.to_vec1::<f64>()).expect("numbers")
}

/// What a step found.
pub(super) struct Taken {
    pub(super) loss: f64,
    pub(super) gradients: BTreeMap<String, Vec<f64>>,
}

/// An optimizer that keeps the gradients of the last step and changes nothing.
struct Recorder(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

impl Optimizer for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn step(&mut self, weights: &Weights, gradients: &mut Gradients, _: f64) -> compute::Result<StepReport> {
        let mut kept = self.0.lock().expect("one thread");
        *kept = BTreeMap::new();
        for weight in weights.trainable() {
            if let Some(gradient) = gradients.get(&weight.leaf()) {
                kept.insert(weight.name().to_owned(), flat(gradient));
            }
        }
        Ok(StepReport { updated: 0, gradient_norm: 0.0, clip_factor: 1.0, skipped: false })
    }

    fn state(&self) -> compute::Result<Vec<Saved>> {
        Ok(Vec::new())
    }

    fn load_state(&mut self, _: &Weights, _: &BTreeMap<String, Saved>) -> compute::Result<()> {
        Ok(())
    }
}

/// Loss and gradients of a batch as the loop finds them; the weights stay.
pub(super) fn take(session: &mut Session, batch: StepBatch) -> Taken {
    let kept = Arc::new(Mutex::new(BTreeMap::new()));
    let own = std::mem::replace(&mut session.stepper.optimizer, Box::new(Recorder(kept.clone())));
    let loss = step(session, batch, 0.0);
    session.stepper.optimizer = own;
    let gradients = std::mem::take(&mut *kept.lock().expect("one thread"));
    Taken { loss, gradients }
}

/// One step of the loop; its loss.
pub(super) fn step(session: &mut Session, batch: StepBatch, learning_rate: f64) -> f64 {
    let (mut guards, mut meters) = (Guards::new("test", 0, 0), Meters::default());
    let report = session.stepper.step(batch, learning_rate, &mut guards, &mut meters);
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert!(report.stepped, "the batch has labels");
    meters.mean("loss").expect("a loss")
}

/// The first `steps` steps of the run; their losses.
pub(super) fn run(session: &mut Session, steps: u64) -> Vec<f64> {
    let rate = session.experiment.optimizer.learning_rate;
    let batches = training(session, 0, steps);
    batches
        .into_iter()
        .map(|batch| {
            let loss = step(session, batch, rate);
            if let Some(ema) = session.ema {
                ema.update(&session.stepper.weights).expect("averages");
            }
            loss
        })
        .collect()
}

/// The weights as bytes.
pub(super) fn weights(session: &Session) -> BTreeMap<String, Saved> {
    let saved = session.stepper.weights.state().expect("a state");
    saved.into_iter().map(|saved| (saved.name.clone(), saved)).collect()
}

/// A call that evaluates.
pub(super) fn evaluation(session: &Session) -> Arc<Call> {
    Call::new(session.evaluation())
}

/// Options of a training call at `step`.
pub(super) fn training_call(session: &Session, step: u64) -> CallOptions {
    CallOptions { step, ..session.stepper.options.clone() }
}

/// Whether two numbers agree within `relative` of the larger, or are both tiny.
pub(super) fn close(a: f64, b: f64, relative: f64) -> bool {
    (a - b).abs() <= relative * a.abs().max(b.abs()) + 1e-12
}

/// Asserts that the gradients agree within `relative` of the largest number of each.
pub(super) fn assert_same_gradients(a: &Taken, b: &Taken, relative: f64) {
    assert!(!a.gradients.is_empty());
    assert_eq!(a.gradients.keys().collect::<Vec<_>>(), b.gradients.keys().collect::<Vec<_>>());
    for (name, left) in &a.gradients {
        let right = &b.gradients[name];
        let size = left.iter().fold(0.0_f64, |most, number| most.max(number.abs()));
        let off = left.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(
            off <= relative * size + 1e-9,
            "the gradient of `{name}` is off by {off:.2e} where it reaches {size:.2e}"
        );
    }
}

/// A whole run into `folder`, which must not be there.
pub(super) fn train(experiment: Experiment, folder: &Path) -> Result<Finished> {
    train_part(experiment, folder, false, None)
}

/// A run from its start, or the checkpoint that `folder` holds, to its end or the step `until`.
pub(super) fn train_part(experiment: Experiment, folder: &Path, resume: bool, until: Option<u64>) -> Result<Finished> {
    let options = RunOptions {
        out: Some(folder.to_path_buf()),
        resume,
        stop: StopFlag::default(),
        report: false,
        profile: false,
        until,
        started: Instant::now(),
        command: vec!["test".into()],
    };
    lacuna::train::train(experiment, &beside_the_test(), &options)
}

//! Tiny sessions of the objective, their batches, and what came of a step.
#![allow(clippy::unwrap_used, dead_code, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use compute::optimizer::{Optimizer, StepReport};
use compute::weights::{Saved, Weight, Weights};
use compute::{DType, Device, Gradients, Value, ops};
use experiment::Experiment;
use lacuna::boundary::{Call, CallOptions, Content, Object};
use lacuna::conformance::beside_the_test;
use lacuna::data::StepBatch;
use lacuna::error::Result;
use lacuna::signals::StopFlag;
use lacuna::train::{Finished, Guards, Meters, RunOptions, Session, train};

/// Files of one test, with a text to learn from.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let novel = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/text/train/Doyle_Hound_1902.txt");
        let text = std::fs::read_to_string(novel).unwrap();
        folder.write("train.txt", &text.chars().filter(char::is_ascii).skip(2000).take(6000).collect::<String>());
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// A tokenizer of so many ids.
    pub(crate) fn tokenizer(&self, size: u32) -> PathBuf {
        let mut vocabulary: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned).to_vec();
        vocabulary.extend(('a'..='z').flat_map(|letter| [letter.to_string(), format!("##{letter}")]));
        vocabulary.extend((vocabulary.len() as u32..size).map(|id| format!("word{id}")));
        let entries: Vec<String> = vocabulary.iter().enumerate().map(|(id, word)| format!("{word:?}:{id}")).collect();
        let special = |id: usize| {
            let word = &vocabulary[id];
            format!(
                r#"{{"id":{id},"content":{word:?},"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}}"#
            )
        };
        let json = format!(
            r###"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{}],"normalizer":{{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}},"pre_tokenizer":{{"type":"BertPreTokenizer"}},"post_processor":{{"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]}},"decoder":{{"type":"WordPiece","prefix":"##","cleanup":true}},"model":{{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{{{}}}}}}}"###,
            (0..5).map(special).collect::<Vec<_>>().join(","),
            entries.join(",")
        );
        self.write(&format!("tokenizer-{size}.json"), &json)
    }

    fn experiment(&self, changes: &[&str]) -> Experiment {
        let model = "family = \"transformer\"\nwidth = 16\nnum_layers = 1\nnum_heads = 2\npositions = \"rotary\"\n\
                     initial_std = 0.2\ndropout = 0.0\nattention_dropout = 0.0\n";
        let text = format!(
            "[run]\nseed = 3\nsteps = 6\nbatch_rows = 6\nlog_every_steps = 1\n\
             [data.text]\nfiles = [{:?}]\nvalid_share = 0.2\ncache = {:?}\ntokenizer = \"bytes\"\n\
             documents = \"paragraph\"\nlength = 48\n\
             [model.discriminator]\n{model}{}\
             [objective]\nuse = \"rtd\"\n[optimizer]\nlearning_rate = 0.01\n[schedule]\nuse = \"constant\"\n",
            self.path("train.txt"),
            self.path("cache"),
            if changes.iter().any(|change| change.ends_with("generator=tied") || change.ends_with("generator=uniform"))
            {
                String::new()
            } else {
                format!("[model.generator]\n{model}")
            },
        );
        let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        Experiment::from_text(&text, Path::new("tiny.toml"), &changes).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn open(&self, changes: &[&str]) -> Result<Session> {
        Session::open(self.experiment(changes), &beside_the_test(), &mut |_, _, _| {})
    }

    pub(crate) fn session(&self, changes: &[&str]) -> Session {
        self.open(changes).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn of_run(&self, run: &Path) -> Session {
        Session::of_run(run, "last", &[], &beside_the_test()).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn train(&self, name: &str, changes: &[&str], resume: bool, until: Option<u64>) -> Finished {
        let options = RunOptions {
            out: Some(self.path(name)),
            resume,
            stop: StopFlag::default(),
            report: false,
            profile: false,
            until,
            started: Instant::now(),
            command: vec!["test".into()],
        };
        train(self.experiment(changes), &beside_the_test(), &options).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// The training batches of the first steps.
fn steps(session: &Session, last: u64) -> Vec<StepBatch> {
    session.training_batches(0, last).map(|batch| batch.unwrap_or_else(|error| panic!("{error}"))).collect()
}

/// The same as batch objects.
pub(crate) fn batches(session: &Session, last: u64) -> Vec<Arc<Object>> {
    let on_device = |batch: StepBatch| batch.micro.into_iter().next().unwrap().on_device(&Device::Cpu).unwrap();
    steps(session, last).into_iter().map(on_device).collect()
}

/// The number of rows of a batch.
pub(crate) fn tokens(batch: &Object) -> usize {
    match batch.content() {
        Content::Batch(batch) => batch.tensor("text.tokens").unwrap().elements(),
        _ => panic!("not a batch"),
    }
}

pub(crate) fn call(session: &Session, step: u64) -> Arc<Call> {
    Call::new(CallOptions { step, ..session.stepper.options.clone() })
}

/// The means of the loss parts.
pub(crate) fn losses(session: &Session, batch: &Arc<Object>) -> BTreeMap<String, f64> {
    losses_under(session, batch, &call(session, 0))
}

pub(crate) fn losses_under(session: &Session, batch: &Arc<Object>, call: &Arc<Call>) -> BTreeMap<String, f64> {
    let result = session.stepper.objective.loss(call, batch).unwrap_or_else(|error| panic!("{error}"));
    let mean = |sum: f64, count: f64| sum / count;
    result
        .parts
        .iter()
        .map(|part| (part.name.clone(), mean(part.sum.item().unwrap(), part.count.item().unwrap())))
        .collect()
}

/// The weights that one part of the loss gives a gradient other than zero.
pub(crate) fn reached(session: &Session, part: &str) -> Vec<String> {
    let result = session.stepper.objective.loss(&call(session, 0), &batches(session, 1)[0]).unwrap();
    let sum = &result.parts.iter().find(|own| own.name == part).unwrap().sum;
    let mut gradients = Gradients::default();
    compute::backward(&ops::reshape(sum, &[]).unwrap(), None, false, &mut gradients).unwrap();
    let weights = session.stepper.weights.trainable();
    let moved = |weight: &&Arc<Weight>| {
        gradients.get(&weight.leaf()).is_some_and(|gradient| flat(gradient).iter().any(|number| *number != 0.0))
    };
    weights.iter().filter(moved).map(|weight| weight.name().to_owned()).collect()
}

pub(crate) fn flat(value: &Value) -> Vec<f64> {
    value.to_dtype(DType::F64.candle()).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()
}

/// Sets every element of a weight.
pub(crate) fn set(weight: &Weight, of: impl Fn(usize) -> f64) {
    let numbers: Vec<f32> = (0..weight.shape().iter().product()).map(|index| of(index) as f32).collect();
    weight.set_value(&Value::from_vec(numbers, weight.shape(), &Device::Cpu).unwrap()).unwrap();
}

/// One step of the loop with batch `number`.
pub(crate) fn step(session: &mut Session, number: u64) {
    let batch = steps(session, number + 1).pop().unwrap();
    let (mut guards, mut meters) = (Guards::new("test", 0, 0), Meters::default());
    let report = session.stepper.step(batch, 0.01, &mut guards, &mut meters).unwrap_or_else(|error| panic!("{error}"));
    assert!(report.stepped);
}

/// Keeps the names of gradients and changes nothing.
struct Mute(Arc<Mutex<Vec<String>>>);

impl Optimizer for Mute {
    fn name(&self) -> &'static str {
        "mute"
    }

    fn step(&mut self, weights: &Weights, gradients: &mut Gradients, _: f64) -> compute::Result<StepReport> {
        let got = weights.trainable().into_iter().filter(|weight| gradients.get(&weight.leaf()).is_some());
        self.0.lock().unwrap().extend(got.map(|weight| weight.name().to_owned()));
        Ok(StepReport { updated: 0, gradient_norm: 0.0, clip_factor: 1.0, skipped: false })
    }

    fn state(&self) -> compute::Result<Vec<Saved>> {
        Ok(Vec::new())
    }

    fn load_state(&mut self, _: &Weights, _: &BTreeMap<String, Saved>) -> compute::Result<()> {
        Ok(())
    }
}

/// From now on a phase steps nothing; the names of its gradients.
pub(crate) fn mute(session: &mut Session, phase: usize) -> Arc<Mutex<Vec<String>>> {
    let kept = Arc::new(Mutex::new(Vec::new()));
    session.stepper.phases[phase].optimizer = Box::new(Mute(kept.clone()));
    kept
}

/// The names of the optimizer's tensors in a run's last checkpoint.
pub(crate) fn records_of(run: &Path) -> Vec<String> {
    let file = run.join("checkpoints/last/optimizer.safetensors");
    let bytes = std::fs::read(file).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
    header.split('"').filter(|text| text.starts_with("phase/")).map(str::to_owned).collect()
}

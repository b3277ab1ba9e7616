//! What must hold exactly: what is said and how far off it is, sounds too short for their words, and the share that is learnt from.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use compute::layout::Layout;
use compute::{DType, Device, Tensor, Value};
use experiment::Experiment;
use lacuna::boundary::{Call, CallOptions, Content, LossResult, Object, batch_object};
use lacuna::conformance::beside_the_test;
use lacuna::train::Session;

/// Tones of 0.3 to 1 second at 8 kHz with one of three labels each.
fn tones(folder: &Path) {
    for number in 0..8_usize {
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
        let label = ["one", "two", "three"][number % 3];
        std::fs::write(folder.join(format!("{label}_ann_{number}.wav")), wave).unwrap();
    }
}

fn session(folder: &Path, changes: &[&str]) -> Session {
    let text = format!(
        "[run]\nseed = 3\nsteps = 6\nbatch_rows = 1\n\
         [data.audio]\nsource = \"files\"\nfiles = [{folder:?}]\npattern = \"{{label}}_{{speaker}}_*.wav\"\nrate = 8000\nbins = 8\n\
         frames = 200\nunits = 0\n\
         [model.encoder]\nfamily = \"conformer\"\nwidth = 8\nnum_layers = 1\nnum_heads = 2\nkernel = 3\nchannels = 2\ndropout = 0.0\n\
         [objective]\nuse = \"ctc\"\n[optimizer]\nlearning_rate = 0.01\n[schedule]\nuse = \"constant\"\n"
    );
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    let experiment =
        Experiment::from_text(&text, Path::new("tiny.toml"), &changes).unwrap_or_else(|error| panic!("{error}"));
    let catalogue = beside_the_test();
    Session::open(experiment, &catalogue, &mut |_, _, _| {}).unwrap_or_else(|error| panic!("{error}"))
}

/// Two sounds of `rows` rows each, with these labels.
fn batch(rows: [usize; 2], labels: [&[u32]; 2]) -> Arc<Object> {
    let most = rows[0].max(rows[1]);
    let features: Vec<f32> = (0..2 * most * 4 * 8).map(|index| (index as f32 * 0.37).sin()).collect();
    let needed =
        labels.map(|labels| (labels.len() + labels.windows(2).filter(|pair| pair[0] == pair[1]).count()) as u32);
    let whole = |numbers: &[u32]| Content::from(Tensor::from_slice(numbers, &[numbers.len()], &Device::Cpu).unwrap());
    batch_object([
        (
            "audio.features".to_owned(),
            Content::from(Tensor::from_slice(&features, &[2, most * 4, 8], &Device::Cpu).unwrap()),
        ),
        ("audio.layout".to_owned(), Content::Layout(Layout::new(&rows, &[1, 2]).unwrap())),
        ("ctc.labels".to_owned(), whole(&labels.concat())),
        ("ctc.lengths".to_owned(), whole(&labels.map(|labels| labels.len() as u32))),
        ("ctc.needed".to_owned(), whole(&needed)),
    ])
    .unwrap()
}

fn measured(session: &Session, batch: &Arc<Object>) -> LossResult {
    let call = Call::new(CallOptions { step: 0, ..session.evaluation() });
    session.stepper.objective.loss(&call, batch).unwrap_or_else(|error| panic!("{error}"))
}

fn item(result: &LossResult, name: &str) -> Vec<f64> {
    let values = result.items.iter().find(|item| item.name == name).unwrap().values.value();
    values.to_dtype(DType::F64.candle()).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Sets every element of a weight of the head.
fn set(session: &Session, name: &str, of: impl Fn(usize) -> f32) {
    let weight = session.stepper.weights.get(&format!("objective.encoder.classes.{name}")).unwrap();
    let numbers: Vec<f32> = (0..weight.shape().iter().product()).map(of).collect();
    weight.set_value(&Value::from_vec(numbers, weight.shape(), &Device::Cpu).unwrap()).unwrap();
}

#[test]
fn what_is_said_is_held_against_the_words() {
    let folder = tempfile::tempdir().unwrap();
    tones(folder.path());
    let session = session(folder.path(), &[]);
    set(&session, "weight", |_| 0.0);
    // Labels sorted by name: one, three, two; class 3 is the blank.
    let batch = batch([4, 5], [&[0, 2], &[1]]);
    set(&session, "bias", |class| if class == 3 { 9.0 } else { 0.0 });
    let silent = measured(&session, &batch);
    assert_eq!((item(&silent, "word_errors"), item(&silent, "words")), (vec![2.0, 1.0], vec![2.0, 1.0]));
    assert_eq!((item(&silent, "character_errors"), item(&silent, "characters")), (vec![7.0, 5.0], vec![7.0, 5.0]));
    // "one" in every row is said once: right in the first sound, where "two" is missing; in the second for "three".
    set(&session, "bias", |class| if class == 0 { 9.0 } else { 0.0 });
    let one = measured(&session, &batch);
    assert_eq!(item(&one, "word_errors"), [1.0, 1.0]);
    assert_eq!(item(&one, "character_errors"), [4.0, 4.0]);
    // Uniform rows: as many ways of 4⁻ʳ each as spell the words.
    set(&session, "bias", |_| 0.0);
    let uniform = measured(&session, &batch_of_one_way());
    let (sum, count) = (uniform.parts[0].sum.item().unwrap(), uniform.parts[0].count.item().unwrap());
    assert!((sum / count - 2.0 * 4.0_f64.ln()).abs() < 1e-5, "{sum} of {count}");
}

/// Two words in two rows: one way.
fn batch_of_one_way() -> Arc<Object> {
    batch([2, 2], [&[0, 1], &[2, 0]])
}

#[test]
fn a_sound_too_short_for_its_words_is_counted_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    tones(folder.path());
    let session = session(folder.path(), &[]);
    let result = measured(&session, &batch([2, 4], [&[1, 1], &[1, 1]]));
    assert_eq!(result.parts[0].count.item().unwrap(), 1.0);
    assert!(result.parts[0].sum.item().unwrap() > 0.0);
    let short = result.metrics.iter().find(|metric| metric.name == "too_short").unwrap();
    assert_eq!((short.sum.item().unwrap(), short.count.item().unwrap()), (1.0, 2.0));
}

#[test]
fn a_smaller_share_is_part_of_a_larger_one() {
    let folder = tempfile::tempdir().unwrap();
    tones(folder.path());
    let sounds = |share: &str| {
        let train = session(folder.path(), &[&format!("data.audio.train_share={share}")]).data.train.clone();
        (0..train.len())
            .map(|sample| format!("{:?}", train.read(sample, None).unwrap()["audio.features"]))
            .collect::<Vec<_>>()
    };
    let (all, half, quarter) = (sounds("1.0"), sounds("0.5"), sounds("0.25"));
    assert_eq!((all.len(), half.len(), quarter.len()), (8, 4, 2));
    assert!(half.iter().all(|sound| all.contains(sound)) && quarter.iter().all(|sound| half.contains(sound)));
    assert_eq!(sounds("0.01").len(), 1);
}

//! Averaged weights: kept beside the weights, used to measure, saved and restored.

use super::support::*;

const DECAY: f32 = 0.5;

fn floats(saved: &compute::weights::Saved) -> Vec<f32> {
    saved.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[test]
fn measuring_uses_the_averages_and_training_does_not() {
    let mut averaged = session("mlm", &["optimizer.ema=0.5"]);
    let mut plain = session("mlm", &[]);
    let mut expected: Option<std::collections::BTreeMap<String, Vec<f32>>> = None;
    for number in 0..3 {
        for session in [&mut averaged, &mut plain] {
            let batch = training(session, number, number + 1).remove(0);
            step(session, batch, 0.05);
        }
        averaged.ema.expect("averages").update(&averaged.stepper.weights).expect("averages");
        let now = weights(&plain).into_iter().map(|(name, saved)| (name, floats(&saved)));
        expected = Some(match expected {
            None => now.collect(),
            Some(before) => {
                let mixed =
                    |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| DECAY * a + (1.0 - DECAY) * b).collect();
                now.map(|(name, numbers)| (name.clone(), mixed(&before[&name], &numbers))).collect()
            }
        });
    }
    assert_eq!(weights(&averaged), weights(&plain), "averages do not change training");
    let trained = plain.held_out(None).expect("a measure").expect("held-out data");
    // The plain session with the averages, computed here, as its weights.
    let mut state = weights(&plain);
    for (name, numbers) in expected.expect("three steps") {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        state.get_mut(&name).expect("a weight").bytes = bytes;
    }
    plain.stepper.weights.load_state(&state, true).expect("the same model");
    let by_hand = plain.held_out(None).expect("a measure").expect("held-out data");
    let measured = averaged.held_out(None).expect("a measure").expect("held-out data");
    assert!(close(measured.loss, by_hand.loss, 1e-6), "{} {}", measured.loss, by_hand.loss);
    assert!(!close(measured.loss, trained.loss, 1e-4), "the averages differ from the weights");
}

#[test]
fn a_run_s_averages_are_measured_again_from_its_folder() {
    let folder = Folder::new();
    let run = folder.path("run");
    let finished =
        train(experiment("mlm", &["run.steps=6", "optimizer.ema=0.8", "optimizer.learning_rate=0.05"]), &run);
    let finished = finished.unwrap_or_else(|error| panic!("{error}"));
    let session =
        lacuna::train::Session::of_run(&run, "last", &[], &beside_the_test()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(session.held_out(None).expect("a measure"), finished.held_out);
}

#[test]
fn a_run_in_two_parts_keeps_its_averages_bit_for_bit() {
    let changes = [
        "run.steps=9",
        "run.accumulation=2",
        "run.precision=\"bf16\"",
        "optimizer.ema=0.8",
        "data.text.packing=true",
        "model.encoder.dropout=0.1",
    ];
    let folder = Folder::new();
    let (whole, parts) = (folder.path("whole"), folder.path("parts"));
    train(experiment("mlm", &changes), &whole).unwrap_or_else(|error| panic!("{error}"));
    for (resume, until) in [(false, Some(4)), (true, Some(7)), (true, None)] {
        train_part(experiment("mlm", &changes), &parts, resume, until).unwrap_or_else(|error| panic!("{error}"));
    }
    for file in ["metrics.jsonl", "checkpoints/last/model.safetensors", "checkpoints/last/optimizer.safetensors"] {
        let [whole, parts] =
            [&whole, &parts].map(|folder| std::fs::read(folder.join(file)).expect("a file of the run"));
        assert!(whole == parts, "`{file}` differs");
    }
}

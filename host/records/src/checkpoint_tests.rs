//! Checkpoints under crashes, damage and retention.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::tensors::TensorBytes;
use safetensors::Dtype;

fn tensors(step: u64) -> Vec<TensorBytes> {
    let one = |name: &str| TensorBytes {
        name: name.into(),
        dtype: Dtype::F32,
        shape: vec![2],
        bytes: [step as f32, 1.0].iter().flat_map(|value| value.to_le_bytes()).collect(),
    };
    vec![one("weight"), one("bias")]
}

fn write(folder: &Path, retention: Retention, step: u64, loss: Option<f64>) -> Written {
    let (model, none, state) = (tensors(step), BTreeMap::new(), json!({ "epoch": step / 100, "rate": 0.1 }));
    let content = CheckpointContent {
        step,
        loss,
        model: &model,
        metadata: &none,
        optimizer: &model,
        buffers: if step == 200 { &model } else { &[] },
        state: &state,
    };
    CheckpointWriter::open(folder, retention).unwrap().write(&content).unwrap()
}

fn steps(folder: &Path) -> Vec<u64> {
    entries(folder).unwrap().iter().map(|entry| entry.step).collect()
}

const ALL: Retention = Retention { keep_last: 99, keep_every_steps: None };

#[test]
fn what_is_written_is_read_and_both_names_lead_there() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("checkpoints");
    assert!(write(&folder, ALL, 100, Some(2.0)).is_best);
    assert!(write(&folder, ALL, 200, Some(1.5)).is_best);
    assert!(!write(&folder, ALL, 300, Some(f64::NAN)).is_best);
    let last = Checkpoint::open(&folder.join("last")).unwrap();
    assert_eq!((last.step, last.loss.unwrap().is_nan()), (300, true));
    assert_eq!(last.state, json!({ "epoch": 3, "rate": 0.1 }));
    let mut expected = tensors(300);
    expected.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(last.model().unwrap().tensors().unwrap(), expected);
    assert_eq!(last.optimizer().unwrap().tensors().unwrap(), expected);
    assert!(last.buffers().unwrap().is_empty());
    let best = Checkpoint::open(&folder.join("best")).unwrap();
    assert_eq!((best.step, best.loss, best.buffers().unwrap().len()), (200, Some(1.5), 2));
    assert!(folder.join("last/model.safetensors").is_file());
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let [one, two] = ["1", "2"].map(|name| root.path().join(name));
    for folder in [&one, &two] {
        write(folder, ALL, 200, Some(0.1));
    }
    for name in [MODEL, OPTIMIZER, BUFFERS, STATE, HASHES] {
        let read = |folder: &Path| fs::read(folder.join("step-00000200").join(name)).unwrap();
        assert_eq!(read(&one), read(&two), "{name}");
    }
}

#[test]
fn any_damage_to_any_file_is_noticed_and_the_one_before_is_found() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), ALL, 100, None);
    write(root.path(), ALL, 200, None);
    let newest = root.path().join("step-00000200");
    for name in [MODEL, OPTIMIZER, BUFFERS, STATE, HASHES] {
        let path = newest.join(name);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let truncated = whole[..whole.len() / 2].to_vec();
        for damaged in [Some(Vec::new()), Some(truncated), Some(flipped), None] {
            match &damaged {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let found = newest_good(root.path()).unwrap();
            assert_eq!(found.checkpoint.step, 100, "{name}, {:?} bytes", damaged.map(|bytes| bytes.len()));
            assert_eq!(found.skipped[0].path, newest);
            assert!(found.skipped[0].reason.contains("00000200"), "{}", found.skipped[0].reason);
        }
        fs::write(&path, whole).unwrap();
    }
    assert_eq!(newest_good(root.path()).unwrap().checkpoint.step, 200);
}

#[test]
fn what_a_crash_leaves_is_passed_over_and_swept_away() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), ALL, 100, Some(1.0));
    let unfinished = root.path().join(".tmp-step-00000200-1-1");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join(MODEL), b"half").unwrap();
    fs::create_dir(root.path().join("step-00000150")).unwrap();
    let found = newest_good(root.path()).unwrap();
    assert_eq!((found.checkpoint.step, found.skipped.len()), (100, 1));
    assert!(unfinished.exists(), "reading changes nothing");
    write(root.path(), ALL, 200, Some(2.0));
    assert!(!unfinished.exists());
    assert_eq!(Checkpoint::open(&root.path().join("best")).unwrap().step, 100);
}

#[test]
fn a_checkpoint_set_aside_for_one_that_never_came_is_restored() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), ALL, 100, None);
    fs::rename(root.path().join("step-00000100"), root.path().join(".old-step-00000100")).unwrap();
    CheckpointWriter::open(root.path(), ALL).unwrap();
    assert_eq!(newest_good(root.path()).unwrap().checkpoint.step, 100);
}

#[test]
fn a_step_written_again_replaces_the_one_before() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), ALL, 100, Some(3.0));
    write(root.path(), ALL, 100, Some(4.0));
    assert_eq!(newest_good(root.path()).unwrap().checkpoint.loss, Some(4.0));
    let mut left = names(root.path()).unwrap();
    left.sort();
    assert_eq!(left, ["best", "last", "step-00000100"]);
}

#[test]
fn retention_removes_after_the_new_one_is_safe() {
    let root = tempfile::tempdir().unwrap();
    let retention = Retention { keep_last: 2, keep_every_steps: Some(400) };
    for (step, loss) in [(100, 1.0), (200, 5.0), (300, 4.0), (400, 3.0), (500, 2.0), (600, 2.5), (700, 2.4)] {
        write(root.path(), retention, step, Some(loss));
    }
    assert_eq!(steps(root.path()), [100, 400, 600, 700]);
    let written = write(root.path(), retention, 800, Some(0.5));
    assert!(written.is_best);
    assert_eq!(written.removed, [root.path().join("step-00000100"), root.path().join("step-00000600")]);
    assert_eq!(steps(root.path()), [400, 700, 800]);
    assert_eq!(Checkpoint::open(&root.path().join("best")).unwrap().step, 800);
}

#[test]
fn a_failed_write_leaves_the_earlier_ones() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), ALL, 100, None);
    let mut model = tensors(200);
    model[1].name = model[0].name.clone();
    let none = BTreeMap::new();
    let content = CheckpointContent {
        step: 200,
        loss: None,
        model: &model,
        metadata: &none,
        optimizer: &[],
        buffers: &[],
        state: &Value::Null,
    };
    let writer = CheckpointWriter::open(root.path(), ALL).unwrap();
    assert_eq!(writer.write(&content).unwrap_err().code(), "run/tensor");
    assert_eq!(names(root.path()).unwrap(), ["last", "step-00000100"]);
    assert_eq!(Checkpoint::open(&root.path().join("last")).unwrap().step, 100);
}

#[test]
fn no_good_checkpoint_says_why() {
    let root = tempfile::tempdir().unwrap();
    let error = newest_good(&root.path().join("checkpoints")).unwrap_err();
    assert!(error.help().contains("before its first checkpoint"));
    fs::create_dir(root.path().join("step-00000100")).unwrap();
    let error = newest_good(root.path()).unwrap_err();
    assert!(error.to_string().contains("hashes.json"), "{error}");
}

#[test]
fn a_copied_folder_serves_where_there_are_no_links() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), ALL, 100, None);
    fs::remove_file(root.path().join("last")).unwrap();
    copy_folder(&root.path().join("step-00000100"), &root.path().join("last")).unwrap();
    assert_eq!(Checkpoint::open(&root.path().join("last")).unwrap().step, 100);
    write(root.path(), ALL, 200, None);
    assert_eq!(Checkpoint::open(&root.path().join("last")).unwrap().step, 200);
}

#[cfg(unix)]
#[test]
fn a_crash_before_the_names_were_moved_is_mended_when_the_run_goes_on() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), ALL, 100, Some(2.0));
    let names = ["last", "best"].map(|name| root.path().join(name));
    write(root.path(), ALL, 200, Some(1.0));
    for name in &names {
        fs::remove_file(name).unwrap();
        assert!(link("step-00000100", name));
    }
    CheckpointWriter::open(root.path(), ALL).unwrap();
    for name in &names {
        assert_eq!(Checkpoint::open(name).unwrap().step, 200);
    }
    fs::write(root.path().join("step-00000200/model.safetensors"), "").unwrap();
    CheckpointWriter::open(root.path(), ALL).unwrap();
    assert_eq!(Checkpoint::open(&names[0]).unwrap().step, 100, "`last` never leads to a damaged one");
}

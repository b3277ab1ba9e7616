//! Event files: what is written is read again, here and by TensorBoard itself.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use super::*;

fn row(step: u64) -> Row {
    Row::new(step, if step.is_multiple_of(20) { "valid" } else { "train" })
        .with("loss", 1.0 / step as f64)
        .with("größe", 300.5)
}

fn written(folder: &Path, steps: &[u64]) -> EventsWriter {
    let mut writer = EventsWriter::create(folder).unwrap();
    steps.iter().for_each(|step| writer.append(&row(*step)).unwrap());
    writer
}

/// Steps and scalars, without the times.
fn read(folder: &Path) -> Vec<(u64, Vec<(String, f32)>)> {
    read_events(folder).unwrap().into_iter().map(|event| (event.step, event.scalars)).collect()
}

#[test]
fn checksums_are_those_of_the_standard() {
    // RFC 3720, appendix B.4.
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    // TensorFlow's mask of it.
    assert_eq!(masked(&[0; 32]), 0x8a91_36aa_u32.rotate_right(15).wrapping_add(0xa282_ead8));
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let before = now();
    written(folder.path(), &[10, 20, 300_000]);
    let events = read_events(folder.path()).unwrap();
    assert!(events.iter().all(|event| event.wall_time >= before && event.wall_time <= now()));
    let found = read(folder.path());
    assert_eq!(found[0], (10, vec![("train/loss".into(), 0.1), ("train/größe".into(), 300.5)]));
    assert_eq!((found[1].0, found[1].1[0].0.as_str(), found[2].0), (20, "valid/loss", 300_000));
    assert!(EventsWriter::create(folder.path()).is_err(), "nothing is overwritten");
}

#[test]
fn a_resumed_run_goes_on_as_if_it_had_not_stopped() {
    let [whole, resumed] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    written(whole.path(), &[10, 20, 30, 40]);
    drop(written(resumed.path(), &[10, 20, 30]));
    let mut writer = EventsWriter::resume(resumed.path(), 20).unwrap();
    [30, 40].iter().for_each(|step| writer.append(&row(*step)).unwrap());
    assert_eq!(read(resumed.path()), read(whole.path()));
    // Before the first checkpoint, and from a folder that has none.
    for step in [0, 5] {
        drop(EventsWriter::resume(resumed.path(), step).unwrap());
        assert!(read(resumed.path()).is_empty());
    }
    let none = tempfile::tempdir().unwrap();
    drop(EventsWriter::resume(&none.path().join("tensorboard"), 20).unwrap());
    assert!(read(&none.path().join("tensorboard")).is_empty());
}

#[test]
fn a_damaged_file_is_cut_where_the_damage_begins() {
    let folder = tempfile::tempdir().unwrap();
    drop(written(folder.path(), &[10, 20, 30]));
    let path = folder.path().join(FILE);
    let good = std::fs::read(&path).unwrap();
    for end in [good.len() - 1, good.len() - 9] {
        std::fs::write(&path, &good[..end]).unwrap();
        assert!(matches!(read_events(folder.path()), Err(Error::Damaged { .. })));
        drop(EventsWriter::resume(folder.path(), 30).unwrap());
        assert_eq!(read(folder.path()).len(), 2);
    }
    // Any bit anywhere.
    for place in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[place] ^= 4;
        std::fs::write(&path, &bad).unwrap();
        assert!(read_events(folder.path()).is_err(), "byte {place}");
        drop(EventsWriter::resume(folder.path(), 30).unwrap());
        assert!(read(folder.path()).len() < 3);
    }
}

/// Runs where `LACUNA_PYTHON` names a Python that has the package `tensorboard`.
#[test]
fn tensorboard_reads_it() {
    let Some(python) = std::env::var_os("LACUNA_PYTHON") else {
        eprintln!("LACUNA_PYTHON is not set: TensorBoard itself was not asked");
        return;
    };
    let has_it = Command::new(&python).args(["-c", "import tensorboard"]).output().unwrap().status.success();
    if !has_it {
        eprintln!("{} has no tensorboard: it was not asked", python.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    drop(written(folder.path(), &[10, 20, 30, 40]));
    drop(EventsWriter::resume(folder.path(), 30).unwrap());
    let script = "import sys\n\
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n\
        events = EventAccumulator(sys.argv[1]); events.Reload()\n\
        for tag in sorted(events.Tags()['scalars']):\n\
        \x20   print(tag, *(f'{e.step}:{e.value:.6f}' for e in events.Scalars(tag)))\n";
    let output = Command::new(python).env("PYTHONIOENCODING", "utf-8").args(["-c", script]).arg(folder.path()).output();
    let output = output.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let wanted = "train/größe 10:300.500000 30:300.500000\ntrain/loss 10:0.100000 30:0.033333\n\
                  valid/größe 20:300.500000\nvalid/loss 20:0.050000\n";
    assert_eq!(text.replace("\r\n", "\n"), wanted, "{}", String::from_utf8_lossy(&output.stderr));
}

//! Kaldi filterbanks of sound files on two threads, from their bytes, beside torchaudio on the same files.
//!
//! Arguments: WAV files, folders or archives with some; without any, the folder `LACUNA_DATA` is searched for
//! `speech/ljspeech-sample.tar`. Decoding counts, on both sides. A figure is the median of seven rounds, in seconds of sound for
//! one second of work. `LACUNA_BENCH_PYTHON` names a Python with torch, torchaudio and soundfile; without it our side is
//! measured alone.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use modality_audio::{Fbank, FbankSettings, Item, ListSettings, items};

/// Rounds of which the median counts.
const ROUNDS: usize = 7;
const THREADS: usize = 2;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("sounds: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), String> {
    let mut paths: Vec<PathBuf> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).map(PathBuf::from).collect();
    if paths.is_empty() {
        let root = std::env::var_os("LACUNA_DATA").ok_or("name WAV files, or set LACUNA_DATA")?;
        paths.push(Path::new(&root).join("speech/ljspeech-sample.tar"));
    }
    let listed = items(&paths, &ListSettings::default()).map_err(|error| error.to_string())?;
    // Both sides read plain files, warm in the cache of the system.
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    for (number, item) in listed.iter().enumerate() {
        let bytes = item.bytes().map_err(|error| error.to_string())?;
        std::fs::write(folder.path().join(format!("{number:05}.wav")), bytes).map_err(|error| error.to_string())?;
    }
    let files = items(&[folder.path().to_path_buf()], &ListSettings::default()).map_err(|error| error.to_string())?;
    let (ours, seconds, frames) = ours(&files)?;
    let mut line = format!(
        "bench: fbank sounds={} seconds={seconds:.1} frames={frames} threads={THREADS} lacuna_times_real_time={:.0}",
        files.len(),
        seconds / ours
    );
    if let Some(python) = std::env::var_os("LACUNA_BENCH_PYTHON") {
        let theirs = theirs(Path::new(&python), folder.path())?;
        line += &format!(" torchaudio_times_real_time={:.0} ratio={:.2}", seconds / theirs, theirs / ours);
    }
    println!("{line}");
    Ok(())
}

/// The median seconds of a round, the seconds of sound, and the frames made of them.
fn ours(files: &[Item]) -> Result<(f64, f64, usize), String> {
    let mut times = Vec::new();
    let mut made = (0.0, 0);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let parts: Vec<Result<(f64, usize), String>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| scope.spawn(move || part(files.iter().skip(thread).step_by(THREADS))))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(Err("a thread panicked".into()))).collect()
        });
        times.push(begun.elapsed().as_secs_f64());
        made = (0.0, 0);
        for part in parts {
            let (seconds, frames) = part?;
            made = (made.0 + seconds, made.1 + frames);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok((times[ROUNDS / 2], made.0, made.1))
}

fn part<'a>(files: impl Iterator<Item = &'a Item>) -> Result<(f64, usize), String> {
    let (mut seconds, mut frames) = (0.0, 0);
    let mut made: Option<(u32, Fbank)> = None;
    for item in files {
        let sound = item.read().map_err(|error| error.to_string())?;
        if made.as_ref().is_none_or(|(rate, _)| *rate != sound.rate) {
            let fbank = Fbank::new(FbankSettings::new(sound.rate)).map_err(|error| error.to_string())?;
            made = Some((sound.rate, fbank));
        }
        if let Some((_, fbank)) = &made {
            frames += fbank.apply(&sound.samples).frames();
        }
        seconds += sound.seconds();
    }
    Ok((seconds, frames))
}

/// The median seconds of a round of torchaudio's.
fn theirs(python: &Path, folder: &Path) -> Result<f64, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/sounds.py");
    let mut command = Command::new(python);
    command.arg(script).arg(folder).arg(ROUNDS.to_string()).arg(THREADS.to_string());
    let output = command.output().map_err(|error| format!("{}: {error}", python.display()))?;
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    said.trim()
        .parse()
        .map_err(|_| format!("torchaudio: {}", errors.trim().lines().last().unwrap_or("it says nothing")))
}

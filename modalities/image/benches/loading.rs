//! Pictures a second from files to batches: read, decoded, cut at random, mirrored, normalised and stacked.
//!
//!     cargo bench -p modality_image -- FILES SIZE [THREADS]        FILES as in `[data.image]`, `archive.tar#glob` too
//!
//! `loading.py` beside it does the same with torchvision and Pillow on the same files. Each goes through all pictures until two
//! seconds have passed, in batches of 64, and the best of five such rounds counts; the files are in the system's memory.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use modality_image::{Corrupt, Crop, DecodeSettings, Filter, Index, Jitter, SourceSettings, Transform};
use philox::Key;

const BATCH: usize = 64;
const ROUNDS: usize = 5;
const SECONDS: f64 = 2.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [files, size, more @ ..] = &arguments[..] else {
        println!("bench: pictures are not measured: give FILES SIZE [THREADS] behind `--`");
        return;
    };
    let size: usize = size.parse().expect("SIZE is a number of pixels");
    let threads: usize = more.first().map_or(2, |threads| threads.parse().expect("THREADS is a number"));
    let unpacked = tempfile::tempdir().expect("a temporary folder");
    let source =
        SourceSettings { field: "image".into(), label_field: "label".into(), unpacked: unpacked.path().to_owned() };
    let decoding = DecodeSettings { channels: 3, background: [255; 3], most_pixels: 100_000_000 };
    let index =
        Index::build(&[PathBuf::from(files)], &source, decoding, Corrupt::Refuse).expect("the files hold pictures");
    let transform = Transform {
        size: [size; 2],
        filter: Filter::Bilinear,
        crop: Crop::Resized { scale: [0.2, 1.0], ratio: [0.75, 4.0 / 3.0] },
        flip: 0.5,
        jitter: Jitter::default(),
        mean: vec![0.5; 3],
        std: vec![0.5; 3],
    };
    let best =
        (0..ROUNDS).map(|round| pictures_a_second(&index, &transform, round as u64, threads)).fold(0.0, f64::max);
    println!("bench: pictures size={size} threads={threads} pictures={} a_second={best:.0}", index.len());
}

fn pictures_a_second(index: &Index, transform: &Transform, round: u64, threads: usize) -> f64 {
    let (next, done, started) = (AtomicUsize::new(0), AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while started.elapsed().as_secs_f64() < SECONDS {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    let mut batch = Vec::with_capacity(BATCH * 3 * transform.size[0] * transform.size[1]);
                    for number in first..first + BATCH {
                        let picture = index.picture(number % index.len()).expect("it was looked at");
                        let key = Key::root(round).at(number as u64);
                        batch.extend_from_slice(&transform.apply(&picture, key).expect("it has a size"));
                    }
                    std::hint::black_box(&batch);
                    done.fetch_add(BATCH, Ordering::Relaxed);
                }
            });
        }
    });
    done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

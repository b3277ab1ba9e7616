//! From the start of the program to the end of its first training step, of `plugins/mlm/experiments/tiny.toml`.
//!
//! *From nothing*: an empty cache, so the tokenizer is trained and the text tokenised first. *Again*: the cache is there.
//! The program measures it itself, from the first line of its main function. Medians of 3 and 7 runs of one step.

use lacuna_benches::measure::median;
use lacuna_benches::program::{number, train_tiny};

fn main() {
    let seconds = |cache: &std::path::Path| {
        let changes = ["run.steps=1", "run.allow_missing_gradient_steps=0", "evaluate.0.batches=1"];
        number(&train_tiny(cache, &changes), "seconds_to_first_step")
    };
    let caches: Vec<_> = (0..3).map(|_| tempfile::tempdir().expect("a temporary folder")).collect();
    let nothing = median(caches.iter().map(|cache| seconds(cache.path())).collect());
    let again = median((0..7).map(|_| seconds(caches[0].path())).collect());
    println!("bench: first-step from_nothing_s={nothing:.2} again_s={again:.3}");
}

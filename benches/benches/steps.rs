//! The time of a training step of `plugins/mlm/experiments/tiny.toml`, and the share of it that is spent in plugins.
//!
//! The program measures both: the median over 80 steps, batches made ahead by a data thread, and the share over every
//! eighth step, in which it looks at the clock where a plugin is entered and left and where a plugin calls the host. Medians
//! of 3 runs.

use lacuna_benches::measure::median;
use lacuna_benches::program::{number, train_tiny};

fn main() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let results: Vec<_> = (0..3).map(|_| train_tiny(cache.path(), &["run.steps=80", "evaluate.0.batches=1"])).collect();
    let of = |key: &str| median(results.iter().map(|result| number(result, key)).collect());
    let rate = median(results.iter().map(|result| number(result, "tokens") / number(result, "seconds")).collect());
    println!(
        "bench: step milliseconds={:.1} plugin_share={:.4} tokens_per_second={rate:.0}",
        of("step_milliseconds"),
        of("plugin_share"),
    );
}

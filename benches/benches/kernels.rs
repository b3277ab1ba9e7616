//! Single operations at the sizes of the case mlm-step, forward and backward.
//!
//! divan prints its table; then a line for each operation gives both times as a ratio to work that it cannot do without, measured
//! in the same run: a copy of what it reads, or its matrix products alone (by `compute`). A slip has a name that way, and
//! does not depend on the clock. Two threads throughout. The backward pass is that of ones; recording forward is part of it.

use std::hint::black_box;
use std::time::Instant;

use compute::Result;
use divan::Bencher;
use lacuna_benches::kernels::{Against, Make, OPERATIONS, Operation, back};
use lacuna_benches::measure::median;
use lacuna_benches::report::Line;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 11;

fn names() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().map(|(name, _)| *name)
}

fn operation(name: &str) -> Operation {
    let make: Make = OPERATIONS.iter().find(|(known, _)| *known == name).expect("a name of the list").1;
    make().expect("the inputs fit")
}

#[divan::bench(args = names(), sample_count = 15, sample_size = 1)]
fn forward(bencher: Bencher<'_, '_>, name: &str) {
    let operation = operation(name);
    bencher.bench_local(|| operation.forward().expect("it goes forward"));
}

#[divan::bench(args = names(), sample_count = 15, sample_size = 1)]
fn backward(bencher: Bencher<'_, '_>, name: &str) {
    let operation = operation(name);
    let seed = operation.forward().and_then(|output| Ok(output.value().ones_like()?)).expect("it goes forward");
    bencher
        .with_inputs(|| operation.forward().expect("it goes forward"))
        .bench_local_values(|output| back(&output, &seed).expect("it goes back"));
}

/// Milliseconds: the median of some rounds, the first not counted; `prepare` is not counted either.
fn timed<I, O>(mut prepare: impl FnMut() -> Result<I>, mut work: impl FnMut(I) -> Result<O>) -> Result<f64> {
    let mut spent = Vec::with_capacity(ROUNDS);
    for round in 0..=ROUNDS {
        let input = prepare()?;
        let begun = Instant::now();
        let output = black_box(work(input)?);
        if round > 0 {
            spent.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        drop(output);
    }
    Ok(median(spent))
}

/// Milliseconds of copying so many floats on two threads.
fn copy(floats: usize) -> Result<f64> {
    let from: Vec<f32> = (0..floats).map(|at| at as f32).collect();
    let mut to = vec![0.0_f32; floats];
    timed(
        || Ok(()),
        |()| {
            let half = floats / 2;
            let (left, right) = to.split_at_mut(half);
            rayon::join(|| left.copy_from_slice(&from[..half]), || right.copy_from_slice(&from[half..]));
            Ok(black_box(to[0]))
        },
    )
}

fn ratios(name: &str, make: Make) -> std::result::Result<Line, Box<dyn std::error::Error>> {
    let operation = make()?;
    let seed = operation.forward()?.value().ones_like()?;
    let forward = timed(|| Ok(()), |()| operation.forward())?;
    let backward = timed(|| operation.forward(), |output| back(&output, &seed))?;
    let (what, least, least_both) = match &operation.against {
        Against::Copy(floats) => ("copy", copy(*floats)?, 2.0 * copy(*floats)?),
        Against::Products(forward, both) => ("product", forward.milliseconds(ROUNDS)?, both.milliseconds(ROUNDS)?),
    };
    Ok(Line::new(&format!("kernel-{name}"))
        .with("forward_ms", format!("{forward:.3}"))
        .with("backward_ms", format!("{backward:.3}"))
        .with("against", what)
        .with("forward_ratio", format!("{:.2}", forward / least))
        .with("both_ratio", format!("{:.2}", (forward + backward) / least_both)))
}

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().expect("no threads were started before");
    divan::main();
    // `cargo test` only lists or tries the benches.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    for (name, make) in OPERATIONS {
        match ratios(name, make) {
            Ok(line) => line.print(),
            Err(error) => eprintln!("{name}: {error}"),
        }
    }
}

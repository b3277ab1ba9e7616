//! What one operation costs through the boundary, against the same operation called directly.
//!
//! Both sides run on one thread in a call without gradients, on constant `f32` tensors. The boundary's side is what a
//! plugin writes, `&a + &b` of `plugin_api`: through the table of functions, with handles, the place in the source, and
//! the result freed. The direct side is `compute::ops` on the same sizes. Medians of 31 rounds in which the sides take
//! turns; a round lasts some milliseconds. A matrix product uses as many threads as the machine has, on both sides.

use std::hint::black_box;
use std::sync::Arc;

use compute::{Device, ops};
use lacuna::boundary::frame::{Callee, Frame, with_frame};
use lacuna::boundary::{Call, CallOptions, Live};
use lacuna_benches::measure::side_by_side;
use plugin_api::__private::open;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 31;

fn report(name: &str, (direct, boundary): (f64, f64)) {
    println!("bench: {name} direct_ns={direct:.0} boundary_ns={boundary:.0} ratio={:.3}", boundary / direct);
}

fn sum(elements: usize, times: u32) {
    let numbers: Vec<f32> = (0..elements).map(|number| number as f32).collect();
    let direct = compute::Tensor::from_slice(&numbers, &[elements], &Device::Cpu).expect("a tensor");
    let crossing = plugin_api::Tensor::new(&numbers, &[elements]);
    let spent = side_by_side(
        ROUNDS,
        times,
        || drop(black_box(ops::add(black_box(&direct), black_box(&direct)).expect("a sum"))),
        || drop(black_box(black_box(&crossing) + black_box(&crossing))),
    );
    report(&format!("op-add-{elements}"), spent);
}

fn product(size: usize, times: u32) {
    let numbers: Vec<f32> = (0..size * size).map(|number| (number % 7) as f32).collect();
    let direct = compute::Tensor::from_slice(&numbers, &[size, size], &Device::Cpu).expect("a tensor");
    let crossing = plugin_api::Tensor::new(&numbers, &[size, size]);
    let spent = side_by_side(
        ROUNDS,
        times,
        || drop(black_box(ops::matmul(black_box(&direct), black_box(&direct)).expect("a product"))),
        || drop(black_box(black_box(&crossing).matmul(black_box(&crossing)))),
    );
    report(&format!("op-matmul-{size}"), spent);
}

fn main() {
    // As the program does, for the same reason.
    // SAFETY: this is the first line, so no other thread can be reading the environment.
    unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    // SAFETY: the query function is this very program's host, so its tables fit.
    let opened = unsafe { open(lacuna::boundary::query) };
    assert_eq!(opened, 0, "the host's tables fit");
    let callee = Callee { plugin: "bench".into(), role: "".into(), live: Arc::new(Live::default()) };
    let call = Call::new(CallOptions::evaluation(0, 0, Device::Cpu));
    with_frame(&Frame::new(callee, "bench", call), || {
        sum(1, 20_000);
        sum(65_536, 200);
        product(256, 20);
    });
}

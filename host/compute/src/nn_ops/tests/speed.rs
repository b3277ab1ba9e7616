//! How long the fused operations take; run by hand: `cargo test --release -p compute speed -- --ignored --nocapture`.

use std::time::Instant;

use candle_core::DType as Kind;
use philox::Key;

use super::super::{Activation, attention, cross_entropy, dropout, layer_norm, linear, softmax};
use crate::layout::Layout;
use crate::mask::Mask;
use crate::testing::random;
use crate::{Device, Leaf, Result, Tensor, Value};

fn timed(name: &str, inputs: &[Value], function: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let leaves: Vec<Tensor> = inputs.iter().map(|x| Tensor::leaf(x.clone(), &Leaf::new("x"))).collect();
    let (mut forward, mut backward) = (f64::MAX, f64::MAX);
    for _ in 0..7 {
        let start = Instant::now();
        let y = function(&leaves).unwrap();
        forward = forward.min(start.elapsed().as_secs_f64());
        let seed = y.value().ones_like().unwrap();
        let start = Instant::now();
        crate::backward(&y, Some(&seed), false, &mut crate::Gradients::default()).unwrap();
        backward = backward.min(start.elapsed().as_secs_f64());
    }
    println!("{name:24} forward {:7.2} ms, backward {:7.2} ms", forward * 1e3, backward * 1e3);
}

#[test]
#[ignore = "a measurement, not a test"]
fn speed() {
    let f32s = |shape: &[usize], seed| random(shape, seed).to_dtype(Kind::F32).unwrap();
    let layout = Layout::new(&[128; 32], &(0..32).collect::<Vec<u64>>()).unwrap();
    let qkv = [f32s(&[4096, 4, 64], 1), f32s(&[4096, 4, 64], 2), f32s(&[4096, 4, 64], 3)];
    for mask in [Mask::full(), Mask::causal()] {
        timed(&format!("attention {}", mask.describe()), &qkv, |x| {
            attention(&x[0], &x[1], &x[2], &layout, &layout, &mask, 0.125, None)
        });
    }
    timed("attention dropout", &qkv, |x| {
        attention(&x[0], &x[1], &x[2], &layout, &layout, &Mask::full(), 0.125, Some((0.1, Key::root(0))))
    });
    let x = f32s(&[4096, 256], 1);
    timed("linear 256 to 1024 gelu", &[x.clone(), f32s(&[1024, 256], 2), f32s(&[1024], 3)], |x| {
        linear(&x[0], &x[1], Some(&x[2]), Activation::Gelu)
    });
    timed("linear 1024 to 256", &[f32s(&[4096, 1024], 1), f32s(&[256, 1024], 2), f32s(&[256], 3)], |x| {
        linear(&x[0], &x[1], Some(&x[2]), Activation::None)
    });
    timed("layer norm 4096 x 256", &[x.clone(), f32s(&[256], 2), f32s(&[256], 3)], |x| {
        layer_norm(&x[0], Some(&x[1]), Some(&x[2]), 1e-5)
    });
    timed("softmax 4096 x 256", std::slice::from_ref(&x), |x| softmax(&x[0]));
    timed("dropout 4096 x 256", &[x], |x| dropout(&x[0], 0.1, Key::root(0), Some(&layout)));
    let targets = Tensor::from_slice(&[7_u32; 600], &[600], &Device::Cpu).unwrap();
    timed("cross entropy 600 x 8192", &[f32s(&[600, 8192], 1)], |x| cross_entropy(&x[0], &targets, -100, 0.0));
}

//! The emulated kernels at sizes that take several tiles, chunks and warps, and the optimizer step.
//!
//! The suites of `nn_ops` run with the emulation as well; these here are what small shapes do not reach.
#![allow(clippy::unwrap_used, reason = "tests")]

use candle_core::DType as Kind;
use philox::Key;

use super::attention_plan::Tiling;
use super::calls::ColumnTotals;
use super::launch::{Launch, Output};
use super::modules::Module;
use super::{Rates, adamw};
use crate::layout::Layout;
use crate::mask::{Mask, alibi_slopes};
use crate::nn_ops::{self, Activation, reference};
use crate::testing::{check_same, compare, numbers, positive, random};
use crate::{Device, Tensor, Value};

fn cast(values: &[Value], kind: Kind) -> Vec<Value> {
    values.iter().map(|value| value.to_dtype(kind).unwrap()).collect()
}

const KINDS: [(Kind, f64); 4] = [(Kind::F64, 1e-10), (Kind::F32, 3e-5), (Kind::BF16, 5e-2), (Kind::F16, 1e-2)];

#[test]
fn attention_over_several_tiles() {
    let layout = Layout::new(&[70, 0, 33, 131], &[1, 2, 3, 4]).unwrap();
    let key_layout = Layout::new(&[65, 3, 40, 140], &[1, 2, 3, 4]).unwrap();
    let (n, m) = (layout.tokens(), key_layout.tokens());
    let visible: Vec<u8> = (0..m).map(|key| u8::from(key % 5 != 1)).collect();
    let keys = Mask::keys(&Tensor::truth(Value::from_vec(visible, m, &Device::Cpu).unwrap())).unwrap();
    let masks = [
        Mask::full(),
        Mask::causal(),
        Mask::window(40, 7).and(&keys),
        Mask::prefix(vec![9, 1, 20, 64]).and(&Mask::alibi(alibi_slopes(4))),
    ];
    // Widths of each count of columns: 4 and 8 with tiles of 64, 8, 16 and 32 with tiles of 32 (f64 takes those alone).
    for (width, value_width, kind, tolerance) in
        [(40, 24, Kind::F32, 3e-5), (64, 65, Kind::BF16, 5e-2), (33, 130, Kind::F32, 3e-5), (12, 20, Kind::F64, 1e-10)]
    {
        let inputs = [random(&[n, 4, width], 1), random(&[m, 2, width], 2), random(&[m, 2, value_width], 3)];
        let inputs = cast(&inputs, kind);
        for (index, mask) in masks.iter().enumerate() {
            let dropout = (index % 2 == 1).then_some((0.2, Key::root(3)));
            let run = |x: &[Tensor]| nn_ops::attention(&x[0], &x[1], &x[2], &layout, &key_layout, mask, 0.2, dropout);
            let maps = |x: &[Tensor]| {
                Ok(nn_ops::attention_maps(&x[0], &x[1], &x[2], &layout, &key_layout, mask, 0.2, dropout)?.0)
            };
            check_same(&format!("{width} {value_width} {}", mask.describe()), &inputs, tolerance, run, maps);
        }
    }
}

#[test]
fn a_bias_over_several_tiles_gets_its_gradient() {
    let layout = Layout::new(&[70, 40], &[1, 2]).unwrap();
    for dims in [[1, 2, 70, 70], [2, 1, 75, 72], [1, 1, 1, 70]] {
        let inputs = [random(&[110, 2, 8], 1), random(&[110, 1, 8], 2), random(&[110, 1, 8], 3), random(&dims, 4)];
        for (kind, tolerance) in [(Kind::F64, 1e-10), (Kind::F32, 3e-5)] {
            let inputs = cast(&inputs, kind);
            check_same(
                &format!("bias {dims:?} {kind:?}"),
                &inputs,
                tolerance,
                |x| nn_ops::attention(&x[0], &x[1], &x[2], &layout, &layout, &Mask::bias(&x[3])?, 0.3, None),
                |x| Ok(nn_ops::attention_maps(&x[0], &x[1], &x[2], &layout, &layout, &Mask::bias(&x[3])?, 0.3, None)?.0),
            );
        }
    }
}

#[test]
fn tilings_fit_their_limits() {
    for width in [1, 32, 64, 65, 128, 129, 256] {
        for backward in [false, true] {
            let tiling = Tiling::of(width, width, 4, 99 * 1024, 1000, backward);
            if let Some(tiling) = tiling {
                assert!(tiling.shared * 4 <= 99 * 1024 && tiling.columns * tiling.tile / 4 >= width, "{tiling:?}");
                assert!(tiling.threads().is_multiple_of(32));
            } else {
                assert!(width > 128, "{width} {backward}");
            }
        }
    }
    assert_eq!(Tiling::of(257, 8, 4, 1 << 20, 1000, false), None);
    assert_eq!(Tiling::of(64, 64, 4, 99 * 1024, 128, true).unwrap().tile, 64);
    assert_eq!(Tiling::of(64, 64, 8, 99 * 1024, 128, true).unwrap().tile, 32);
}

#[test]
fn rows_over_several_chunks_and_blocks() {
    for (kind, tolerance) in KINDS {
        let inputs = cast(&[random(&[301, 70], 1), random(&[70], 2), random(&[70], 3), random(&[301, 70], 4)], kind);
        check_same(
            &format!("layer_norm_residual {kind:?}"),
            &inputs,
            tolerance,
            |x| Ok(nn_ops::layer_norm_residual(&x[0], &x[3], Some(&x[1]), Some(&x[2]), 1e-5)?.0),
            |x| Ok(reference::normalise(&x[0], Some(&x[3]), Some(&x[1]), Some(&x[2]), 1e-5, true)?.0),
        );
        let inputs = cast(&[random(&[301, 9], 5), random(&[300, 9], 6), random(&[300], 7)], kind);
        check_same(
            &format!("linear {kind:?}"),
            &inputs,
            tolerance,
            |x| nn_ops::linear(&x[0], &x[1], Some(&x[2]), Activation::Gelu),
            |x| reference::linear(&x[0], &x[1], Some(&x[2]), Activation::Gelu),
        );
        let inputs = cast(&[random(&[7, 700], 8)], kind);
        check_same(
            &format!("glu {kind:?}"),
            &inputs,
            tolerance,
            |x| nn_ops::glu(&x[0], Activation::Silu),
            |x| reference::glu(&x[0], Activation::Silu),
        );
        let targets = [Some(999), None, Some(0), Some(512)];
        let ids = Tensor::from_slice(&[999_i64, -100, 0, 512], &[4], &Device::Cpu).unwrap();
        let logits = cast(&[random(&[4, 1000], 9)], kind);
        check_same(
            &format!("cross_entropy {kind:?}"),
            &logits,
            tolerance,
            |x| nn_ops::cross_entropy(&x[0], &ids, -100, 0.1),
            |x| reference::cross_entropy(&x[0], &targets, 0.1),
        );
    }
}

#[test]
fn a_step_of_adamw_is_that_of_the_paper() {
    let rates = Rates { betas: (0.9, 0.99), epsilon: 1e-6, keep: 0.999, rate: 0.02, root: 1.7 };
    let wide = [random(&[3000], 1), random(&[3000], 2), random(&[3000], 3), positive(&[3000], 4)];
    for (kind, tolerance) in [(Kind::F64, 1e-12), (Kind::F32, 1e-6)] {
        let values = cast(&wide, kind);
        let moments = [values[2].clone(), values[3].clone()];
        let (value, [first, second]) = adamw(rates, &values[0], &values[1], &moments).unwrap().unwrap();
        let elements: Vec<Vec<f64>> = values.iter().map(numbers).collect();
        let mut expected = [Vec::new(), Vec::new(), Vec::new()];
        for (((w, g), m), v) in elements[0].iter().zip(&elements[1]).zip(&elements[2]).zip(&elements[3]) {
            let (m, v) = (0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g);
            expected[0].push(0.999 * w - 0.02 * m / (v.sqrt() * 1.7 + 1e-6));
            expected[1].push(m);
            expected[2].push(v);
        }
        for (found, expected) in [value, first, second].iter().zip(&expected) {
            compare(&format!("adamw {kind:?}"), &numbers(found), expected, tolerance);
        }
    }
}

#[test]
fn the_emulation_finds_faults_of_barriers() {
    let x = Value::zeros(64, Kind::F32, &Device::Cpu).unwrap();
    let run = |name: &str| {
        let launch =
            Launch { module: Module::Sums, name, elements: Kind::F32, grid: [1, 1], block: [64, 1], shared: 64 };
        launch.run_one([Some(&x)], Output::like(&x), |[parts], totals| ColumnTotals {
            parts,
            totals,
            chunks: 1,
            width: 64,
        })
    };
    let expected: Vec<f64> = (0..64).map(|thread| f64::from((thread + 1) % 64)).collect();
    assert_eq!(numbers(&run("fault_none").unwrap()), expected);
    let early = numbers(&run("fault_missing_barrier").unwrap());
    assert!(early.iter().any(|number| number.is_nan()), "shared memory begins as NaN: {early:?}");
    let error = run("fault_skipped_barrier").unwrap_err().to_string();
    assert!(error.contains("never reach a barrier"), "{error}");
    // The next launch is whole again.
    assert_eq!(numbers(&run("fault_none").unwrap()), expected);
    assert!(run("no_such_kernel").unwrap_err().to_string().contains("none of this name"));
}

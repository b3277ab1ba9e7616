//! Operations: every row of the table is served, results are right, gradients and draws go through.
#![allow(clippy::unwrap_used, reason = "tests")]

use compute::weights::{Init, WeightOptions, Weights};
use compute::{Device, Gradients};
use lacuna_abi::{Attribute, attribute, op as number};

use super::*;
use crate::boundary::guard;

#[test]
fn every_row_of_the_table_is_dispatched() {
    in_call(step(), |_| {
        for operation in number::TABLE {
            let out = op(operation.number, &[], &[]);
            if let Some(error) = check() {
                assert_ne!(error.code, "host/operation", "{error}");
                assert_ne!(error.code, "host/panic", "{error}");
                assert!(error.text.contains(operation.name), "{error} should name `{}`", operation.name);
            }
            release([out]);
        }
    });
}

#[test]
fn an_unknown_operation_is_named() {
    in_call(step(), |_| {
        release([op(999, &[], &[])]);
        let error = check().unwrap();
        assert_eq!(
            (error.code.as_str(), error.text.as_str()),
            ("host/operation", "operation 999 is not known to this host")
        );
    });
}

#[test]
fn values_and_several_outputs() {
    in_call(step(), |_| {
        let (a, b) = (f32s(&[3.0, 1.0, 2.0], &[3]), full(&[3], 10.0));
        let sum = op(number::ADD, &[a, b], &[]);
        assert_eq!(read(sum, 3), [13.0, 11.0, 12.0]);
        let [values, indices] = ops(number::SORT, &[a], &[]);
        assert_eq!((read(values, 3), read(indices, 3)), (vec![1.0, 2.0, 3.0], vec![1.0, 2.0, 0.0]));
        let range = [(attribute::AXIS, 0), (attribute::START, -2), (attribute::LENGTH, i64::MAX)];
        let tail = op(number::SLICE, &[a], &range.map(|(key, value)| Attribute::integer(key, value)));
        assert_eq!(read(tail, 2), [1.0, 2.0]);
        assert_eq!(check(), None);
        release([a, b, sum, values, indices, tail]);
    });
}

#[test]
fn gated_sigmoid_is_sigmoid_times_value() {
    in_call(step(), |_| {
        let x = f32s(&[0.0, 2.0, 5.0, 7.0], &[1, 4]);
        let y = op(number::GLU, &[x], &[Attribute::bytes(attribute::ACTIVATION, Bytes::text("sigmoid"))]);
        let expected = [5.0 * 0.5, 7.0 / (1.0 + (-2.0_f64).exp())];
        assert!(read(y, 2).iter().zip(expected).all(|(y, e)| (y - e).abs() < 1e-6));
        release([x, y]);
    });
}

#[test]
fn ctc_counts_the_ways_of_each_segment() {
    in_call(step(), |_| {
        // Over a blank, a and b, all equally likely: 5 of 27 ways of three rows say "ab", one of 9 of two rows says "aa".
        let whole = |numbers: &[f32]| {
            let floats = f32s(numbers, &[numbers.len()]);
            let cast = op(number::CAST, &[floats], &[Attribute::integer(attribute::DTYPE, i64::from(dtype::U32))]);
            release([floats]);
            cast
        };
        let (logits, labels) = (full(&[5, 3], 0.0), whole(&[1.0, 2.0, 1.0, 1.0]));
        let (rows, transcripts) = (whole(&[3.0, 2.0]), whole(&[2.0, 2.0]));
        let layout = op(number::LAYOUT_NEW, &[rows], &[]);
        let label_layout = op(number::LAYOUT_NEW, &[transcripts], &[]);
        let inputs = [logits, layout, labels, label_layout];
        let blank = Attribute::integer(attribute::BLANK, 0);
        release([op(number::CTC, &inputs, &[blank])]);
        let error = check().unwrap();
        assert!(error.text.contains("segment 1 has 2 rows"), "{error}");
        let loss = op(number::CTC, &inputs, &[blank, Attribute::integer(attribute::SKIP, 1)]);
        let found = read(loss, 2);
        assert!((found[0] + (5.0_f64 / 27.0).ln()).abs() < 1e-6 && found[1] == 0.0, "{found:?}");
        release([logits, labels, rows, transcripts, layout, label_layout, loss]);
    });
}

#[test]
fn weights_are_resolved_and_get_gradients() {
    let weights = Weights::new(0, &Device::Cpu);
    let weight = weights.create("w", &[2], Init::Constant(3.0), WeightOptions::default()).unwrap();
    in_call(step(), |_| {
        let handle = handle_of(Content::Weight(weight.clone()));
        let square = op(number::MUL, &[handle, handle], &[]);
        let total = op(number::SUM, &[square], &[]);
        let mut results = [Handle::NULL];
        succeed(unsafe {
            (tensors().grad)(&raw const total, std::ptr::null(), 1, &raw const handle, 1, 1, results.as_mut_ptr())
        });
        assert_eq!(read(results[0], 2), [6.0, 6.0]);
        let loss = guard::tensor("loss", &unsafe { object::share(total) }.unwrap()).unwrap();
        let mut gradients = Gradients::default();
        compute::backward(&loss, None, false, &mut gradients).unwrap();
        assert_eq!(gradients.get(&weight.leaf()).unwrap().to_vec1::<f32>().unwrap(), [6.0, 6.0]);
        release([handle, square, total, results[0]]);
    });
}

/// The value and gradients of Σ w under a view of `kind` made through the table; of `w`, then of its parts.
fn through_view(kind: u32, parts: &[(&[usize], f64)], scale: f64) -> (Vec<f32>, Vec<Option<Vec<f32>>>) {
    let weights = Weights::new(0, &Device::Cpu);
    let make = |name: &str, dims: &[usize], value| {
        weights.create(name, dims, Init::Constant(value), WeightOptions::default()).unwrap()
    };
    let base = make("base", &[2, 2], 3.0);
    let parts: Vec<_> =
        parts.iter().enumerate().map(|(i, (dims, value))| make(&format!("part{i}"), dims, *value)).collect();
    let handle = handle_of(Content::Weight(base.clone()));
    let handles: Vec<Handle> = parts.iter().map(|part| handle_of(Content::Weight(part.clone()))).collect();
    let result = in_call(step(), |_| {
        succeed(unsafe { (plugin::weights().view)(handle, kind, handles.as_ptr(), handles.len(), scale) });
        let shown = op(number::MATERIALISE, &[handle], &[]);
        let total = op(number::SUM, &[shown], &[]);
        let values = read(shown, 4).into_iter().map(|value| value as f32).collect();
        let loss = guard::tensor("loss", &unsafe { object::share(total) }.unwrap()).unwrap();
        let mut gradients = Gradients::default();
        compute::backward(&loss, None, false, &mut gradients).unwrap();
        let of = |weight: &std::sync::Arc<compute::weights::Weight>| {
            gradients.get(&weight.leaf()).map(|value| value.flatten_all().unwrap().to_vec1::<f32>().unwrap())
        };
        release([shown, total]);
        (values, std::iter::once(&base).chain(&parts).map(of).collect())
    });
    release(handles);
    release([handle]);
    result
}

#[test]
fn weights_are_seen_through_the_views_a_plugin_gives_them() {
    // Stop-gradient plus delta (as gradient-disentangled embeddings): the delta alone learns.
    let (value, gradients) = through_view(1, &[(&[2, 2], 0.5)], 0.0);
    assert_eq!((value, gradients), (vec![3.5; 4], vec![None, Some(vec![1.0; 4])]));
    // Low rank: 3 + 2 · up [2, 1] · down [1, 2]; the base stays.
    let (value, gradients) = through_view(2, &[(&[1, 2], 0.5), (&[2, 1], 1.0)], 2.0);
    assert_eq!(value, vec![4.0; 4]);
    assert_eq!(gradients, vec![None, Some(vec![4.0; 2]), Some(vec![2.0; 2])]);
    // Tie: one slot under two names.
    let (value, gradients) = through_view(0, &[(&[2, 2], 7.0)], 0.0);
    assert_eq!(value, vec![7.0; 4]);
    assert_eq!(gradients[1], Some(vec![1.0; 4]));
}

#[test]
fn draws_are_numbered_by_stream_and_replayed() {
    let draw = |options: CallOptions| {
        in_call(options, |_| {
            let attributes = [
                Attribute::integers(attribute::SHAPE, &[4]),
                Attribute::bytes(attribute::STREAM, Bytes::text("noise")),
            ];
            let draws = [op(number::UNIFORM, &[], &attributes), op(number::UNIFORM, &[], &attributes)];
            let values = draws.map(|draw| read(draw, 4));
            release(draws);
            values
        })
    };
    let [first, second] = draw(step());
    assert_ne!(first, second, "the second draw of a stream is another one");
    assert_eq!(draw(step()), [first.clone(), second], "a replay draws the same");
    assert_ne!(draw(CallOptions { step: 4, ..step() })[0], first);
    assert_ne!(draw(CallOptions { micro_batch: 1, ..step() })[0], first);
}

#[test]
fn dropout_is_the_identity_in_evaluation() {
    let dropped = |options: CallOptions| {
        in_call(options, |_| {
            let x = full(&[64], 1.0);
            let y = op(number::DROPOUT, &[x], &[Attribute::float(attribute::RATE, 0.5)]);
            let values = read(y, 64);
            release([x, y]);
            values
        })
    };
    assert!(dropped(step()).contains(&0.0));
    assert_eq!(dropped(CallOptions::evaluation(7, 3, Device::Cpu)), vec![1.0; 64]);
}

#[test]
fn layouts_and_masks_go_through_operations() {
    in_call(step(), |_| {
        let lengths = f32s(&[2.0, 1.0], &[2]);
        let lengths_u32 = op(number::CAST, &[lengths], &[Attribute::integer(attribute::DTYPE, i64::from(dtype::U32))]);
        let layout = op(number::LAYOUT_NEW, &[lengths_u32], &[]);
        let q = full(&[3, 1, 2], 1.0);
        let (causal, all) = (op(number::MASK_CAUSAL, &[], &[]), op(number::MASK_FULL, &[], &[]));
        let mask = op(number::AND, &[causal, all], &[]);
        assert_eq!(unsafe { (tensors().kind)(mask) }, lacuna_abi::kind::MASK);
        let out = op(number::ATTENTION, &[q, q, q, layout, Handle::NULL, mask], &[]);
        assert_eq!(check(), None);
        assert!(read(out, 6).iter().all(|value| (value - 1.0).abs() < 1e-6));
        release([lengths, lengths_u32, layout, q, causal, all, mask, out]);
    });
}

#[test]
fn a_custom_backward_runs_in_a_frame_of_its_plugin() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static FREED: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C" fn backward(
        _: *mut u8,
        given: *const Handle,
        len: usize,
        results: *mut Handle,
        _: usize,
    ) -> Handle {
        assert_eq!(len, 2);
        let (saved, gradient) = unsafe { (*given, *given.add(1)) };
        unsafe { results.write(op(number::MUL, &[saved, gradient], &[])) };
        Handle::NULL
    }
    unsafe extern "C" fn free(_: *mut u8) {
        FREED.fetch_add(1, Ordering::SeqCst);
    }
    let weights = Weights::new(0, &Device::Cpu);
    let weight = weights.create("w", &[2], Init::Constant(3.0), WeightOptions::default()).unwrap();
    let mut gradients = Gradients::default();
    let loss = in_call(step(), |_| {
        let handle = handle_of(Content::Weight(weight.clone()));
        let (value, slope) = (op(number::STOP_GRADIENT, &[handle], &[]), f32s(&[5.0, 7.0], &[2]));
        let call = lacuna_abi::CustomCall {
            name: Bytes::text("straight"),
            inputs: &raw const handle,
            inputs_len: 1,
            outputs: &raw const value,
            outputs_len: 1,
            saved: &raw const slope,
            saved_len: 1,
            backward,
            drop: free,
            state: std::ptr::null_mut(),
        };
        let (place, mut out) = (place(), Handle::NULL);
        unsafe { (tensors().custom)(&raw const call, &raw const place, &raw mut out) };
        let total = op(number::SUM, &[out], &[]);
        assert_eq!(check(), None);
        let loss = guard::tensor("loss", &unsafe { object::share(total) }.unwrap()).unwrap();
        release([handle, value, slope, out, total]);
        loss
    });
    assert_eq!(frame::depth(), 0);
    compute::backward(&loss, None, false, &mut gradients).unwrap();
    assert_eq!(gradients.get(&weight.leaf()).unwrap().to_vec1::<f32>().unwrap(), [5.0, 7.0]);
    drop(loss);
    assert_eq!(FREED.load(Ordering::SeqCst), 1);
}

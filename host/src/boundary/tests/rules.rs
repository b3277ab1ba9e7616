//! The rules of handles, faults and frames.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use lacuna_abi::{Attribute, Batches, attribute, op as number};

use super::*;
use crate::boundary::KINDS;
use crate::boundary::object::TensorState;

fn batches() -> &'static Batches {
    unsafe { lacuna_abi::fit(query(Bytes::text(name::BATCHES))) }.unwrap()
}

/// The error of asking for an element type.
fn dtype_error(tensor: Handle) -> Error {
    let mut dtype = 0;
    taken(unsafe { (tensors().dtype)(tensor, &raw mut dtype) })
}

#[test]
fn a_fault_poisons_with_place_and_frames() {
    in_call(step(), |_| {
        let (a, b) = (full(&[2, 3], 1.0), full(&[4], 1.0));
        let sum = op(number::ADD, &[a, b], &[]);
        let later = op(number::EXP, &[sum], &[]);
        let error = dtype_error(later);
        assert_eq!(error.code, "tensor/shape");
        assert!(error.text.contains("[2, 3]") && error.text.contains("[4]"), "{error}");
        assert_eq!(error.place, Some(("plugins/mlm/src/lib.rs".into(), 41)));
        assert_eq!(error.frames, ["mlm 0.3.0 loss"]);
        let shown = error.to_string();
        assert!(shown.contains("\n  mlm 0.3.0 loss, plugins/mlm/src/lib.rs, line 41"), "{shown}");
        let Content::Tensor(TensorState::Poisoned(fault)) = unsafe { object::borrow(later) }.unwrap().content() else {
            panic!()
        };
        assert_eq!((fault.operation.as_str(), fault.inputs[0].as_str()), ("add", "f32 [2, 3]"));
        release([a, b, sum, later]);
    });
}

#[test]
fn only_the_first_fault_is_kept_and_check_takes_it() {
    in_call(step(), |frame| {
        let (a, b) = (full(&[2], 1.0), full(&[3], 1.0));
        let first = op(number::ADD, &[a, b], &[]);
        let second = op(number::MATMUL, &[a, b], &[]);
        let passed_on = op(number::NEG, &[first], &[]);
        assert!(check().unwrap().text.contains("add"));
        assert_eq!(check(), None, "a poisoned input is no fault of its own");
        release([op(number::NEG, &[passed_on], &[])]);
        assert!(frame.take_fault().is_none());
        release([a, b, first, second, passed_on]);
    });
}

#[test]
fn attributes_are_checked() {
    in_call(step(), |_| {
        let x = full(&[2], 1.0);
        let fault = |number, attributes: &[Attribute]| {
            release([op(number, &[x], attributes)]);
            check().unwrap().to_string()
        };
        let unknown = fault(number::SUM, &[Attribute::integer(attribute::RATE, 1)]);
        assert!(
            unknown.contains("sum: attribute `rate` is not known") && unknown.contains("`axes`, `keep`"),
            "{unknown}"
        );
        assert!(fault(number::MAX, &[]).contains("max: attribute `axis` is missing"));
        assert!(fault(number::MAX, &[Attribute::float(attribute::AXIS, 1.0)]).contains("is not an integer"));
        assert!(fault(number::MAX, &[Attribute::integer(attribute::AXIS, 0); 2]).contains("is given twice"));
        assert!(
            fault(number::SUM, &[Attribute::bytes(attribute::AXES, Bytes::text("abc"))])
                .contains("not a list of integers")
        );
        assert!(fault(number::CAST, &[Attribute::integer(attribute::DTYPE, 77)]).contains("element type 77"));
        release([x]);
    });
}

#[test]
fn null_wrong_kinds_and_wrong_numbers_are_faults() {
    in_call(step(), |_| {
        let (x, text) = (full(&[2], 1.0), unsafe { (batches().text)(Bytes::text("hello")) });
        let fault = |inputs: &[Handle]| {
            release([op(number::ADD, inputs, &[])]);
            check().unwrap().text
        };
        assert_eq!(fault(&[x, Handle::NULL]), "add: input 2 of 2 is null (`add` of f32 [2], null)");
        assert!(fault(&[x, text]).starts_with("add: input 2 is a text, not a tensor"));
        assert!(fault(&[x]).starts_with("add: 1 inputs are given, it takes 2"));
        let pair: [Handle; 2] = ops(number::ADD, &[x, x], &[]);
        assert!(check().unwrap().text.starts_with("add: 1 outputs come out, 2 are asked for"));
        let mut dims = [0_usize; 4];
        let mut rank = 0;
        let error = taken(unsafe { (tensors().shape)(text, dims.as_mut_ptr(), 4, &raw mut rank) });
        assert_eq!(error.text, "the tensor is a text, not a tensor");
        assert_eq!(taken(unsafe { (tensors().dtype)(Handle::NULL, std::ptr::null_mut()) }).code, "plugin/null");
        assert_eq!(unsafe { (tensors().kind)(Handle::NULL) }, 0);
        release(pair);
        release([x, text, Handle::NULL]);
    });
}

#[test]
fn counts_go_up_and_down_and_nothing_is_left() {
    in_call(step(), |frame| {
        let live = frame.callee().live.clone();
        let x = full(&[2], 1.0);
        assert_eq!((count(x), live.total()), (1, 1));
        unsafe { (tensors().retain)(x) };
        assert_eq!(count(x), 2);
        release([x]);
        assert_eq!(count(x), 1);
        let poisoned = op(number::MATMUL, &[x], &[]);
        assert_eq!(live.counts()[0], 2);
        drop(check());
        release([x, poisoned]);
        assert_eq!(live.counts(), [0; KINDS.len()]);
    });
}

#[test]
fn without_a_frame_an_operation_is_a_fault() {
    let out = full(&[2], 1.0);
    let error = dtype_error(out);
    assert_eq!(error.code, "thread/no-frame");
    release([out]);
}

#[test]
fn on_a_data_thread_tensors_are_a_fault() {
    in_call(CallOptions::data(1), |_| {
        release([full(&[2], 1.0), f32s(&[1.0], &[1])]);
        assert_eq!(check().unwrap().code, "thread/data");
    });
}

#[test]
fn frames_and_gradient_mode_are_back_after_a_panic() {
    let evaluation = CallOptions::evaluation(0, 0, Device::Cpu);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        in_call(evaluation, |_| {
            assert!(!compute::mode::gradients_on());
            in_call(step(), |_| assert_eq!((frame::depth(), compute::mode::gradients_on()), (2, true)));
            assert_eq!((frame::depth(), compute::mode::gradients_on()), (1, false));
            std::panic::resume_unwind(Box::new("stop"));
        });
    }));
    assert!(panicked.is_err());
    assert_eq!((frame::depth(), compute::mode::gradients_on()), (0, true));
}

#[test]
fn errors_are_made_and_read_by_both_sides() {
    in_call(step(), |_| {
        let place = place();
        let error = unsafe {
            (errors().make)(Bytes::text("plugin/setting"), Bytes::text("fact"), Bytes::text("mend"), &raw const place)
        };
        let read = |bytes: Bytes| unsafe { bytes.as_text() }.unwrap().to_owned();
        let parts = unsafe { [(errors().code)(error), (errors().text)(error), (errors().help)(error)] }.map(read);
        assert_eq!(parts, ["plugin/setting", "fact", "mend"]);
        assert_eq!(taken(error).frames, ["mlm 0.3.0 loss"]);
    });
}

#[test]
fn a_panic_of_the_host_is_an_error() {
    let error = crate::boundary::guard::caught::<()>(|| std::panic::resume_unwind(Box::new("broken"))).unwrap_err();
    assert_eq!((error.code.as_str(), error.text.as_str()), ("host/panic", "the host panicked: broken"));
}

#[test]
fn parallel_work_runs_each_index_once() {
    unsafe extern "C" fn work(state: *mut u8, index: usize) {
        unsafe { state.add(index).write(state.add(index).read() + 1) };
    }
    let mut seen = vec![0_u8; 1000];
    succeed(unsafe { (tensors().parallel)(seen.len(), lacuna_abi::Work { function: work }, seen.as_mut_ptr()) });
    assert_eq!(seen, vec![1; 1000]);
}

#[test]
fn batches_refuse_a_second_column_of_a_name() {
    in_call(step(), |_| {
        let (batch, x) = (unsafe { (batches().new)() }, full(&[2], 1.0));
        succeed(unsafe { (batches().put)(batch, Bytes::text("hidden"), x) });
        assert_eq!(taken(unsafe { (batches().put)(batch, Bytes::text("hidden"), x) }).code, "batch/column");
        let (mut got, mut none) = (Handle::NULL, Handle::NULL);
        succeed(unsafe { (batches().get)(batch, Bytes::text("hidden"), &raw mut got) });
        succeed(unsafe { (batches().get)(batch, Bytes::text("other"), &raw mut none) });
        assert!(got == x && none.is_null());
        let names = unsafe { (batches().names)(batch) };
        assert_eq!(unsafe { (batches().bytes)(names).as_text() }, Some("hidden"));
        release([batch, x, got, names]);
    });
}

#[test]
fn the_host_knows_its_interfaces_by_name_only() {
    assert!(unsafe { query(Bytes::text("lacuna.tensors/9")) }.table.is_null());
    assert!(unsafe { query(Bytes::slice(&[0xff, 0xfe])) }.table.is_null());
}

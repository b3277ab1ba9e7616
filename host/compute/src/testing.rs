//! Checks that every operation's test shares: gradients against central finite differences, and one form of an
//! operation against another.
//!
//! For tests of this crate and of those above it; a mismatch panics with the operation, the input and both numbers.

use std::sync::{Arc, OnceLock};

use philox::Key;

use crate::{Device, Gradients, Leaf, Result, Tensor, Value, backward, mode};

/// The device that the suites run on: what `LACUNA_TEST_DEVICE` says (`cpu` unless set, `cuda:0`, `metal`).
///
/// # Panics
/// When there is no such device.
#[must_use]
pub fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let open = || {
        let name = std::env::var("LACUNA_TEST_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
        crate::device::device(&name).unwrap_or_else(|error| panic!("LACUNA_TEST_DEVICE: {error}"))
    };
    DEVICE.get_or_init(open).clone()
}

/// The widest type of numbers of that device: f64, but f32 on Metal.
#[must_use]
pub fn widest() -> candle_core::DType {
    if device().is_metal() { candle_core::DType::F32 } else { candle_core::DType::F64 }
}

/// A tolerance for f64, or what it is worth where the widest numbers are f32.
fn at_least(tolerance: f64, single: f64) -> f64 {
    if widest() == candle_core::DType::F64 { tolerance } else { tolerance.max(single) }
}

/// Standard normal numbers in f64 (see [`widest`]) of this shape; the same for the same seed.
#[must_use]
pub fn random(shape: &[usize], seed: u64) -> Value {
    drawn(shape, seed, Key::normal)
}

/// Uniform numbers in (0.5, 2) in f64: for logarithms, roots and divisors.
#[must_use]
pub fn positive(shape: &[usize], seed: u64) -> Value {
    drawn(shape, seed, |key, index| 0.5 + 1.5 * key.uniform(index))
}

fn drawn(shape: &[usize], seed: u64, draw: impl Fn(Key, u64) -> f64) -> Value {
    let key = Key::root(seed).stream("testing");
    let count: usize = shape.iter().product();
    let numbers: Vec<f64> = (0..count as u64).map(|index| draw(key, index)).collect();
    let value = Value::from_vec(numbers, shape, &Device::Cpu).expect("as many numbers as the shape has");
    value.to_dtype(widest()).and_then(|value| value.to_device(&device())).expect("a device that takes values")
}

/// The elements of a value as f64, in order.
#[must_use]
pub fn numbers(value: &Value) -> Vec<f64> {
    let value = value.to_device(&Device::Cpu).and_then(|value| value.to_dtype(candle_core::DType::F64));
    let value = value.and_then(|value| value.flatten_all());
    value.and_then(|value| value.to_vec1()).expect("a value of numbers can be read")
}

/// An equal value whose elements do not lie in order: its first two axes (or last element) are strided.
#[must_use]
pub fn strided(value: &Value) -> Value {
    let result = match value.rank() {
        0 => value.unsqueeze(0).and_then(|value| value.get(0)),
        // Every second element of a wider buffer.
        1 => Value::stack(&[value, value], 1).and_then(|pair| pair.narrow(1, 0, 1)?.squeeze(1)),
        rank => {
            value.transpose(rank - 2, rank - 1).and_then(|turned| turned.contiguous()?.transpose(rank - 2, rank - 1))
        }
    };
    result.expect("a copy in another order")
}

/// Holds the gradients of `function` at `inputs` against central finite differences in f64, relative tolerance 1e-6 (where
/// the device has no f64, in f32 with a tolerance of 3e-2).
///
/// Inputs of dtype f64 are differentiated; others (u8 as truth values) are constants. An output that is no scalar is
/// projected on fixed pseudo-random weights. Beside the inputs as given it runs them strided, used twice (through an
/// addition and a view, and by two calls of `function`), and broadcast along their first axis.
///
/// # Panics
/// When value or gradient of any of these differs, when `function` fails, or when an input gets no gradient.
pub fn check_gradient(name: &str, inputs: &[Value], function: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let base = run(name, "as given", inputs, 1e-6, &function, Form::Plain);
    for (index, input) in inputs.iter().enumerate().filter(|(_, input)| is_differentiated(input)) {
        let analytic =
            base.gradients[index].as_ref().unwrap_or_else(|| panic!("{name}: input {index} got no gradient"));
        let numeric = finite_difference(name, inputs, index, &base.weights, &function);
        compare(
            &format!("{name}: gradient of input {index} {:?} against finite differences", input.dims()),
            analytic,
            &numeric,
            at_least(1e-6, 3e-2),
        );
    }
    let exact = at_least(1e-9, 1e-4);
    let turned: Vec<Value> = inputs.iter().map(strided).collect();
    base.hold(name, &run(name, "strided", &turned, 1e-6, &function, Form::Turned), exact);
    base.hold(name, &run(name, "used twice", inputs, 1e-6, &function, Form::Twice), exact);
    let summed = run(name, "summed", inputs, 1e-6, &function, Form::Ones);
    summed.hold(name, &run(name, "summed by a broadcast", inputs, 1e-6, &function, Form::Broadcast), exact);
    for index in (0..inputs.len()).filter(|index| inputs[*index].rank() > 0 && inputs[*index].dims()[0] > 1) {
        let mut wide = inputs.to_vec();
        let first = inputs[index].narrow(0, 0, 1).expect("a first element");
        wide[index] = first.broadcast_as(inputs[index].shape()).expect("a broadcast of it");
        let mut copied = wide.clone();
        copied[index] = wide[index].force_contiguous().expect("a copy");
        // The operation may refuse repeated values (sorted or distinct indices); then it must refuse both.
        let constants: Vec<Tensor> = copied.iter().map(constant).collect();
        if function(&constants).is_ok() {
            let expected = run(name, "copied", &copied, 1e-6, &function, Form::Plain);
            expected.hold(name, &run(name, "broadcast", &wide, 1e-6, &function, Form::Plain), exact);
        }
    }
}

/// Holds value and gradients of `function` against those of `reference` at the same inputs (any float dtype), each
/// within `tolerance` relative to the largest number compared.
///
/// # Panics
/// When they differ or either fails.
pub fn check_same(
    name: &str,
    inputs: &[Value],
    tolerance: f64,
    function: impl Fn(&[Tensor]) -> Result<Tensor>,
    reference: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    let tolerance = at_least(tolerance, 1e-4);
    let expected = run(name, "reference", inputs, tolerance, &reference, Form::Plain);
    expected.hold(name, &run(name, "as given", inputs, tolerance, &function, Form::Plain), tolerance);
    let turned: Vec<Value> = inputs.iter().map(strided).collect();
    expected.hold(name, &run(name, "strided", &turned, tolerance, &function, Form::Turned), tolerance);
}

/// How the inputs reach the function and the gradient its output.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Plain,
    /// The gradient of the output does not lie in order.
    Turned,
    /// The gradient of the output is one everywhere.
    Ones,
    /// The same as a broadcast of one number, as it comes out of a sum.
    Broadcast,
    /// `x` as half of itself plus half of a view of itself, and the function called twice.
    Twice,
}

struct Run {
    form: &'static str,
    value: Vec<f64>,
    weights: Vec<f64>,
    gradients: Vec<Option<Vec<f64>>>,
}

impl Run {
    fn hold(&self, name: &str, other: &Run, tolerance: f64) {
        compare(&format!("{name}: value {} against {}", other.form, self.form), &other.value, &self.value, tolerance);
        for (index, pair) in other.gradients.iter().zip(&self.gradients).enumerate() {
            let text = format!("{name}: gradient of input {index} {} against {}", other.form, self.form);
            match pair {
                (Some(found), Some(expected)) => compare(&text, found, expected, tolerance),
                (None, None) => {}
                // A reference may say "no gradient" where another form says zero.
                (Some(zero), None) | (None, Some(zero)) => {
                    assert!(zero.iter().all(|g| *g == 0.0), "{text}: one has none")
                }
            }
        }
    }
}

fn is_differentiated(value: &Value) -> bool {
    use candle_core::DType::{BF16, F16, F32, F64};
    matches!(value.dtype(), F64 | F32 | BF16 | F16)
}

fn constant(value: &Value) -> Tensor {
    if value.dtype() == candle_core::DType::U8 { Tensor::truth(value.clone()) } else { Tensor::constant(value.clone()) }
}

fn weights_for(count: usize) -> Vec<f64> {
    let key = Key::root(7).stream("projection");
    (0..count as u64).map(|index| 0.5 + key.uniform(index)).collect()
}

fn run(
    name: &str,
    form: &'static str,
    inputs: &[Value],
    tolerance: f64,
    function: &impl Fn(&[Tensor]) -> Result<Tensor>,
    how: Form,
) -> Run {
    let fail = |error: crate::Error| -> ! { panic!("{name} ({form}): {error} ({:?})", error.help()) };
    let leaves: Vec<Option<Arc<Leaf>>> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| is_differentiated(input).then(|| Leaf::new(format!("{name} {index}"))))
        .collect();
    let tensors: Vec<Tensor> = inputs
        .iter()
        .zip(&leaves)
        .map(|(input, leaf)| match leaf {
            Some(leaf) => Tensor::leaf(input.clone(), leaf),
            None => constant(input),
        })
        .collect();
    let mut gradients = Gradients::default();
    let (value, weights) = mode::with_gradients(true, || {
        let pass = |inputs: &[Tensor], share: f64, gradients: &mut Gradients| {
            let output = function(inputs).unwrap_or_else(|error| fail(error));
            let weights = weights_for(output.elements());
            let seed: Vec<f64> = weights.iter().map(|weight| weight * share).collect();
            let seed = Value::from_vec(seed, output.dims(), &Device::Cpu);
            let seed = seed.and_then(|seed| seed.to_dtype(output.value().dtype()));
            let seed = seed.and_then(|seed| seed.to_device(output.device())).expect("a gradient of the output");
            let one = || {
                Value::ones((), seed.dtype(), output.device())
                    .and_then(|one| one.broadcast_as(seed.shape()))
                    .expect("ones")
            };
            let seed = match how {
                Form::Plain | Form::Twice => seed,
                Form::Turned => strided(&seed),
                Form::Ones => seed.ones_like().expect("ones"),
                Form::Broadcast => one(),
            };
            backward(&output, Some(&seed), false, gradients).unwrap_or_else(|error| fail(error));
            (numbers(output.value()), weights)
        };
        match how {
            Form::Plain | Form::Turned | Form::Ones | Form::Broadcast => pass(&tensors, 1.0, &mut gradients),
            Form::Twice => {
                let halved: Vec<Tensor> = tensors.iter().map(through_two_ways).collect();
                pass(&halved, 0.25, &mut gradients);
                pass(&tensors, 0.75, &mut gradients)
            }
        }
    });
    let gradients = inputs.iter().zip(&leaves).enumerate().map(|(index, (input, leaf))| {
        let gradient = gradients.get(leaf.as_ref()?)?;
        assert_eq!(gradient.dims(), input.dims(), "{name} ({form}): shape of the gradient of input {index}");
        assert_eq!(gradient.dtype(), input.dtype(), "{name} ({form}): dtype of the gradient of input {index}");
        Some(numbers(gradient))
    });
    let gradients = gradients.collect();
    assert!(tolerance > 0.0, "{name}: a tolerance of nothing");
    Run { form, value, weights, gradients }
}

/// An equal tensor: the sum of half of `x` and half of a view of `x`.
fn through_two_ways(x: &Tensor) -> Tensor {
    if !x.needs_gradient() {
        return x.clone();
    }
    let shape = x.dims().to_vec();
    let flat = x.value().flatten_all().expect("a flat view");
    let view =
        Tensor::from_op("view", flat, &[x], move |gradient, _| Ok(vec![Some(gradient.reshape(shape.as_slice())?)]));
    let back = view.value().reshape(x.dims()).expect("the first shape");
    let sum = ((x.value() * 0.5).and_then(|half| half + (back * 0.5)?)).expect("a sum of halves");
    Tensor::from_op("add", sum, &[x, &view], |gradient, _| {
        let half = (gradient * 0.5)?;
        Ok(vec![Some(half.clone()), Some(half.flatten_all()?)])
    })
}

fn finite_difference(
    name: &str,
    inputs: &[Value],
    index: usize,
    weights: &[f64],
    function: &impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Vec<f64> {
    assert_eq!(inputs[index].dtype(), widest(), "{name}: finite differences need the widest type");
    let shift = at_least(1e-5, 1e-2);
    let base = numbers(&inputs[index]);
    let projected = |at: usize, step: f64| -> f64 {
        let mut moved = base.clone();
        moved[at] += step;
        let moved =
            Value::from_vec(moved, inputs[index].shape(), &Device::Cpu).and_then(|moved| moved.to_dtype(widest()));
        let moved = moved.and_then(|moved| moved.to_device(inputs[index].device())).expect("the same shape");
        let tensors: Vec<Tensor> = inputs
            .iter()
            .enumerate()
            .map(|(i, input)| if i == index { Tensor::constant(moved.clone()) } else { constant(input) })
            .collect();
        let output = function(&tensors).unwrap_or_else(|error| panic!("{name}, shifted: {error}"));
        numbers(output.value()).iter().zip(weights).map(|(value, weight)| value * weight).sum()
    };
    (0..base.len())
        .map(|at| {
            let step = shift * base[at].abs().max(1.0);
            (projected(at, step) - projected(at, -step)) / (2.0 * step)
        })
        .collect()
}

/// Panics when `found` and `expected` differ by more than `tolerance` of the larger of 1 and the largest expected number.
///
/// # Panics
/// As said; also when the lengths differ.
pub fn compare(text: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{text}: number of elements");
    let scale = expected.iter().filter(|e| e.is_finite()).fold(1.0f64, |scale, e| scale.max(e.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found == expected || (found.is_nan() && expected.is_nan());
        let close = (found - expected).abs() <= tolerance * scale;
        assert!(same || close, "{text}: element {index} is {found}, expected {expected}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "against finite differences")]
    fn a_wrong_gradient_is_found() {
        check_gradient("square", &[random(&[2, 3], 1)], |x| {
            let value = x[0].value().sqr()?;
            let kept = x[0].value().clone();
            Ok(Tensor::from_op("square", value, &[&x[0]], move |gradient, _| Ok(vec![Some((gradient * &kept)?)])))
        });
    }

    #[test]
    fn a_right_gradient_passes() {
        check_gradient("square", &[random(&[2, 3], 1)], |x| {
            let value = x[0].value().sqr()?;
            let kept = x[0].value().clone();
            Ok(Tensor::from_op("square", value, &[&x[0]], move |gradient, _| {
                Ok(vec![Some(((gradient * &kept)? * 2.0)?)])
            }))
        });
    }
}

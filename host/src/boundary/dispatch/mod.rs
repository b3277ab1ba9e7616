//! Operations by number: inputs and attributes read, the core asked, faults turned into poisoned tensors.
//!
//! Each family is a table of [`Operator`]s: number, how many inputs, which attributes, and the function.

mod arguments;
mod attributes;
mod compare;
mod elementwise;
mod index;
mod layout;
mod losses;
mod network;
mod random;
mod reduce;
mod shape;
mod spatial;

use std::sync::{Arc, LazyLock};

use compute::Tensor;
use compute::profile::{Phase, timed};
use lacuna_abi::{Attribute, Handle, Place};

use self::arguments::Arguments;
use self::attributes::Attributes;
use super::fault::Fault;
use super::frame::{self, Frame};
use super::object::{self, Content, Object, TensorState};
use super::outcomes::Outcomes;
use super::{errors, guard, tensors};
use crate::error::{Error, Result};

/// One operation of the boundary as this host serves it.
struct Operator {
    number: u32,
    /// The least and the largest number of inputs; those past the least may be null.
    inputs: (usize, usize),
    /// The attributes it knows.
    keys: &'static [u32],
    run: fn(&Arguments<'_>) -> Outcome,
}

const fn operator(
    number: u32,
    inputs: (usize, usize),
    keys: &'static [u32],
    run: fn(&Arguments<'_>) -> Outcome,
) -> Operator {
    Operator { number, inputs, keys, run }
}

/// Operations of tensors without attributes: `unary! { NEG => ops::neg }`, `binary! { ADD => ops::add }`.
macro_rules! unary {
    ($number:ident, $function:path) => {
        operator(lacuna_abi::op::$number, (1, 1), &[], |arguments| {
            $crate::boundary::dispatch::one($function(&arguments.tensor(0)?)?)
        })
    };
}
macro_rules! binary {
    ($number:ident, $function:path) => {
        operator(lacuna_abi::op::$number, (2, 2), &[], |arguments| {
            $crate::boundary::dispatch::one($function(&arguments.tensor(0)?, &arguments.tensor(1)?)?)
        })
    };
}
use {binary, unary};

/// What comes out of an operation.
enum Results {
    One(Content),
    Many(Vec<Content>),
}

/// Why nothing comes out.
enum Stop {
    /// An input was poisoned: no fault of its own.
    Poisoned(Arc<Fault>),
    /// A fault.
    Fault(Box<Error>),
}

impl From<compute::Error> for Stop {
    fn from(error: compute::Error) -> Self {
        Self::Fault(Box::new(error.into()))
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Fault(Box::new(error))
    }
}

type Outcome = Result<Results, Stop>;

fn one(content: impl Into<Content>) -> Outcome {
    Ok(Results::One(content.into()))
}

fn many(tensors: impl IntoIterator<Item = Tensor>) -> Outcome {
    Ok(Results::Many(tensors.into_iter().map(Content::from).collect()))
}

const FAMILIES: [&[Operator]; 10] = [
    elementwise::TABLE,
    compare::TABLE,
    reduce::TABLE,
    shape::TABLE,
    index::TABLE,
    network::TABLE,
    losses::TABLE,
    spatial::TABLE,
    random::TABLE,
    layout::TABLE,
];

/// An operator with its name.
type Named = (&'static Operator, &'static str);

static BY_NUMBER: LazyLock<Vec<Option<Named>>> = LazyLock::new(|| {
    let operators = || FAMILIES.into_iter().flatten();
    let end = operators().map(|operator| operator.number).max().unwrap_or(0) as usize;
    let mut table = vec![None; end + 1];
    operators().for_each(|operator| table[operator.number as usize] = Some((operator, name_of(operator.number))));
    table
});

/// A call of `op` as it crosses.
pub(super) struct Request {
    pub(super) number: u32,
    pub(super) inputs: (*const Handle, usize),
    pub(super) attributes: (*const Attribute, usize),
    pub(super) place: *const Place,
    pub(super) outputs_len: usize,
}

/// Runs an operation and hands each of its outputs to `write`, as many as asked for: poisoned ones on a fault, which the
/// frame keeps.
///
/// # Safety
/// All that `request` points to must be alive for the call.
pub(super) unsafe fn answer(request: &Request, mut write: impl FnMut(usize, Arc<Object>)) {
    // SAFETY: by the caller's promise.
    let outcome = guard::caught(|| Ok(unsafe { run(request) }));
    let stop = match outcome {
        Ok(Ok(Results::One(content))) => return write(0, Object::new(content)),
        Ok(Ok(Results::Many(contents))) => {
            return contents.into_iter().enumerate().for_each(|(index, content)| write(index, Object::new(content)));
        }
        Ok(Err(stop)) => stop,
        Err(panic) => panic.into(),
    };
    let object = match stop {
        Stop::Poisoned(fault) => Object::new(Content::Tensor(TensorState::Poisoned(fault))),
        // SAFETY: by the caller's promise.
        Stop::Fault(error) => unsafe { faulty(request, *error, frame::top().as_deref()) },
    };
    (0..request.outputs_len).for_each(|index| write(index, object.clone()));
}

/// # Safety
/// As [`answer`].
unsafe fn run(request: &Request) -> Outcome {
    let frame = tensors::step_frame()?;
    let (operator, name) =
        BY_NUMBER.get(request.number as usize).copied().flatten().ok_or_else(|| unknown(request.number))?;
    // SAFETY: by the caller's promise.
    let inputs = unsafe { guard::slice("the inputs", request.inputs.0, request.inputs.1)? };
    // SAFETY: by the caller's promise.
    let attributes =
        unsafe { Attributes::new(name, guard::slice("the attributes", request.attributes.0, request.attributes.1)?) };
    let (least, most) = operator.inputs;
    if inputs.len() < least || inputs.len() > most {
        let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let text = format!("{name}: {} inputs are given, it takes {wanted}", inputs.len());
        return Err(Error::new("tensor/inputs", text).with_help(signature(request.number)).into());
    }
    attributes.check(operator.keys)?;
    // SAFETY: handles are alive for the call by the caller's promise.
    let arguments = unsafe { Arguments::new(name, inputs, attributes, &frame) };
    let results = match &frame.call().options().outcomes {
        Some(outcomes) if Outcomes::concerns(request.number) => kept(outcomes, request.number, &arguments, operator)?,
        _ => timed(name, Phase::Forward, || (operator.run)(&arguments))?,
    };
    let found = match &results {
        Results::One(_) => 1,
        Results::Many(contents) => contents.len(),
    };
    if found != request.outputs_len {
        let text = format!("{name}: {found} outputs come out, {} are asked for", request.outputs_len);
        return Err(Error::new("tensor/outputs", text).with_help(signature(request.number)).into());
    }
    Ok(results)
}

/// An operation under finite differences: its outcome is recorded, or the recorded one given again.
fn kept(outcomes: &Outcomes, number: u32, arguments: &Arguments<'_>, operator: &Operator) -> Outcome {
    if let Some(again) = outcomes.again(number, &arguments.tensor(0)?)? {
        return many(again);
    }
    let contents = match (operator.run)(arguments)? {
        Results::One(content) => vec![content],
        Results::Many(contents) => contents,
    };
    let tensors = contents.into_iter().filter_map(|content| match content {
        Content::Tensor(TensorState::Ready(tensor)) => Some(tensor),
        _ => None,
    });
    many(outcomes.record(number, tensors.collect()))
}

fn name_of(number: u32) -> &'static str {
    lacuna_abi::op::find(number).map_or("operation", |operation| operation.name)
}

fn signature(number: u32) -> String {
    lacuna_abi::op::find(number)
        .map_or_else(String::new, |operation| format!("it is {}{}", operation.name, operation.signature))
}

fn unknown(number: u32) -> Error {
    match lacuna_abi::op::find(number) {
        Some(operation) => {
            let text = format!(
                "the operation `{}` ({number}, since boundary {}) is not in this host yet",
                operation.name, operation.since
            );
            Error::new("host/operation", text)
        }
        None => Error::new("host/operation", format!("operation {number} is not known to this host"))
            .with_help(format!("the host has boundary {}; the plugin was built for a later one", lacuna_abi::BOUNDARY)),
    }
}

/// # Safety
/// As [`answer`].
unsafe fn faulty(request: &Request, error: Error, frame: Option<&Frame>) -> Arc<Object> {
    // SAFETY: by the caller's promise.
    let inputs = unsafe { guard::slice("the inputs", request.inputs.0, request.inputs.1) }.unwrap_or_default();
    // SAFETY: by the caller's promise.
    let describe = |handle: &Handle| unsafe { object::borrow(*handle) }.map_or_else(|| "null".into(), Object::describe);
    // SAFETY: by the caller's promise.
    let place = unsafe { errors::owned_place(request.place) };
    let operation = lacuna_abi::op::find(request.number);
    poison(
        Fault {
            operation: operation.map_or_else(|| request.number.to_string(), |operation| operation.name.to_owned()),
            inputs: inputs.iter().map(describe).collect(),
            code: error.code,
            text: error.text,
            help: error.help.map(String::from),
            place,
            frames: frame::labels(),
        },
        frame,
    )
}

/// A poisoned tensor for a fault outside the operations of the table; `frame` keeps the fault.
pub(super) fn poisoned(operation: &str, error: Error, frame: Option<&Frame>) -> Arc<Object> {
    let fault = Fault {
        operation: operation.to_owned(),
        inputs: Vec::new(),
        code: error.code,
        text: error.text,
        help: error.help.map(String::from),
        place: error.place.map(|(file, line)| (file, line, 0)),
        frames: if error.frames.is_empty() { frame::labels() } else { error.frames },
    };
    poison(fault, frame)
}

fn poison(fault: Fault, frame: Option<&Frame>) -> Arc<Object> {
    let fault = Arc::new(fault);
    if let Some(frame) = frame {
        frame.keep(&fault);
    }
    Object::new(Content::Tensor(TensorState::Poisoned(fault)))
}

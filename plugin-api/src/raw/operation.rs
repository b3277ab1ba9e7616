//! Applying operations by number.

use std::panic::Location;

use lacuna_abi::{Attribute, Bytes, Handle, Place};

use super::host::host;
use super::object::Object;

/// The most inputs an operation other than `cat` and `stack` takes.
const FEW_INPUTS: usize = 8;
/// The most attributes an operation takes.
const MOST_ATTRIBUTES: usize = 8;

/// An attribute with its key of `lacuna_abi::attribute`.
#[derive(Clone, Copy)]
pub enum Attr<'a> {
    Integer(u32, i64),
    Float(u32, f64),
    Text(u32, &'a str),
    Integers(u32, &'a [i64]),
}

impl Attr<'_> {
    fn raw(&self) -> Attribute {
        match *self {
            Self::Integer(key, value) => Attribute::integer(key, value),
            Self::Float(key, value) => Attribute::float(key, value),
            Self::Text(key, value) => Attribute::bytes(key, Bytes::text(value)),
            Self::Integers(key, values) => Attribute::integers(key, values),
        }
    }
}

/// A place for the host.
pub(crate) fn place(location: &'static Location<'static>) -> Place {
    Place { file: Bytes::text(location.file()), line: location.line(), column: location.column() }
}

/// Applies operation `number` and takes its `N` outputs. `None` is an input left out.
pub(crate) fn op<const N: usize>(
    number: u32,
    inputs: &[Option<&Object>],
    attributes: &[Attr<'_>],
    location: &'static Location<'static>,
) -> [Object; N] {
    debug_assert!(attributes.len() <= MOST_ATTRIBUTES, "an operation with more attributes than there is room for");
    let handle = |input: &Option<&Object>| input.map_or(Handle::NULL, Object::handle);
    let mut few = [Handle::NULL; FEW_INPUTS];
    let many: Vec<Handle>;
    let handles = if inputs.len() <= FEW_INPUTS {
        few.iter_mut().zip(inputs).for_each(|(slot, input)| *slot = handle(input));
        &few[..inputs.len()]
    } else {
        many = inputs.iter().map(handle).collect();
        &many[..]
    };
    let mut raw = [Attribute::integer(0, 0); MOST_ATTRIBUTES];
    raw.iter_mut().zip(attributes).for_each(|(slot, attribute)| *slot = attribute.raw());
    let place = place(location);
    let mut outputs = [Handle::NULL; N];
    // SAFETY: every pointer outlives the call and comes with its length; the outputs become ours.
    unsafe {
        (host().tensors.op)(
            number,
            handles.as_ptr(),
            handles.len(),
            raw.as_ptr(),
            attributes.len(),
            &raw const place,
            outputs.as_mut_ptr(),
            N,
        );
    }
    outputs.map(Object::owned)
}

/// Applies an operation with one output.
pub(crate) fn one(
    number: u32,
    inputs: &[Option<&Object>],
    attributes: &[Attr<'_>],
    location: &'static Location<'static>,
) -> Object {
    let [output] = op(number, inputs, attributes, location);
    output
}

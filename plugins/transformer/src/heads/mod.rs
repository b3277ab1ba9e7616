//! What the family puts on top of its hidden state: tokens, classes, a scalar, values.

mod classes;
mod scalar;
mod tokens;

pub(crate) use classes::ClassHead;
pub(crate) use scalar::ScalarHead;
pub(crate) use tokens::TokenHead;

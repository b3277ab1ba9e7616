//! Masks: who may attend to whom inside a segment. Combined with `&`: visible in both.

use std::fmt;
use std::ops::BitAnd;
use std::panic::Location;

use lacuna_abi::{attribute as key, op};

use crate::raw::{Attr, HostObject, Object, one};
use crate::tensor::{Tensor, integer};

/// A description of an attention mask; the host keeps it small and hands it to its kernels.
///
/// ```no_run
/// # use plugin_api::prelude::*;
/// let visible = Mask::causal() & Mask::window(128, 0); // the last 128 positions and its own
/// ```
#[derive(Clone)]
pub struct Mask(Object);

impl HostObject for Mask {
    fn object(&self) -> &Object {
        &self.0
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask(…)")
    }
}

impl Mask {
    pub(crate) fn from_object(object: Object) -> Self {
        Self(object)
    }

    /// Everything is visible.
    #[track_caller]
    #[must_use]
    pub fn full() -> Self {
        Self(one(op::MASK_FULL, &[], &[], Location::caller()))
    }

    /// A position sees itself and what came before.
    #[track_caller]
    #[must_use]
    pub fn causal() -> Self {
        Self(one(op::MASK_CAUSAL, &[], &[], Location::caller()))
    }

    /// Causal, except that everybody sees the first `lengths` (`u32` `[b]`) positions of the segment.
    #[track_caller]
    #[must_use]
    pub fn prefix(lengths: &Tensor) -> Self {
        Self(one(op::MASK_PREFIX, &[Some(lengths.object())], &[], Location::caller()))
    }

    /// A position sees `left` positions before it and `right` after it.
    #[track_caller]
    #[must_use]
    pub fn window(left: usize, right: usize) -> Self {
        let attributes = [Attr::Integer(key::LEFT, integer(left)), Attr::Integer(key::RIGHT, integer(right))];
        Self(one(op::MASK_WINDOW, &[], &attributes, Location::caller()))
    }

    /// Only rows where `visible` (truth values `[n]`) is true are seen by anybody.
    #[track_caller]
    #[must_use]
    pub fn keys(visible: &Tensor) -> Self {
        Self(one(op::MASK_KEYS, &[Some(visible.object())], &[], Location::caller()))
    }

    /// Written out: truth values `[b or 1, h or 1, tq, tk]`.
    #[track_caller]
    #[must_use]
    pub fn dense(visible: &Tensor) -> Self {
        Self(one(op::MASK_DENSE, &[Some(visible.object())], &[], Location::caller()))
    }

    /// Numbers added to the scores, with gradient: `[b or 1, h or 1, tq, tk]`.
    #[track_caller]
    #[must_use]
    pub fn bias(bias: &Tensor) -> Self {
        Self(one(op::MASK_BIAS, &[Some(bias.object())], &[], Location::caller()))
    }

    /// Scores fall with the distance, by a slope for each head (Press et al. 2021, arXiv:2108.12409).
    #[track_caller]
    #[must_use]
    pub fn alibi(num_heads: usize) -> Self {
        Self(one(op::MASK_ALIBI, &[], &[Attr::Integer(key::COUNT, integer(num_heads))], Location::caller()))
    }
}

macro_rules! both {
    ($($left:ty, $right:ty;)*) => {$(
        impl BitAnd<$right> for $left {
            type Output = Mask;
            #[track_caller]
            fn bitand(self, right: $right) -> Mask {
                Mask(one(op::AND, &[Some(self.object()), Some(right.object())], &[], Location::caller()))
            }
        }
    )*};
}
both! { Mask, Mask; Mask, &Mask; &Mask, Mask; &Mask, &Mask; }

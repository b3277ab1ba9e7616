//! Random numbers inside a step: functions of seed, stream, step and row, so a replayed step draws the same.
//!
//! A stream is a name (`dropout`, `mask`); each further draw of one stream in a call is its next draw. Draws over a
//! layout belong to its rows: padding, packing and splitting a batch change nothing. In collation use
//! [`Sample::uniforms`](crate::Sample::uniforms).

use std::panic::Location;

use lacuna_abi::{attribute as key, op};

use crate::dtype::DType;
use crate::layout::Layout;
use crate::raw::{Attr, HostObject, one};
use crate::tensor::{Tensor, integer, integers};

/// What is drawn: a number for each element of a shape, or `features` numbers for each row of a layout.
pub trait Extent {
    #[doc(hidden)]
    fn draw(&self, number: u32, attributes: &[Attr<'_>], at: &'static Location<'static>) -> Tensor;
}

/// A shape.
impl Extent for [usize] {
    fn draw(&self, number: u32, attributes: &[Attr<'_>], at: &'static Location<'static>) -> Tensor {
        let shape = integers(self);
        let attributes: Vec<_> = attributes.iter().copied().chain([Attr::Integers(key::SHAPE, &shape)]).collect();
        Tensor::from_object(one(number, &[None], &attributes, at))
    }
}

/// A shape.
impl<const N: usize> Extent for [usize; N] {
    fn draw(&self, number: u32, attributes: &[Attr<'_>], at: &'static Location<'static>) -> Tensor {
        self[..].draw(number, attributes, at)
    }
}

/// The rows of a layout and the features of each: `[n, features]`.
impl Extent for (&Layout, usize) {
    fn draw(&self, number: u32, attributes: &[Attr<'_>], at: &'static Location<'static>) -> Tensor {
        let features = Attr::Integer(key::FEATURES, integer(self.1));
        let attributes: Vec<_> = attributes.iter().copied().chain([features]).collect();
        Tensor::from_object(one(number, &[Some(self.0.object())], &attributes, at))
    }
}

fn float() -> Attr<'static> {
    Attr::Integer(key::DTYPE, i64::from(DType::F32.number()))
}

/// Uniform in the open interval (0, 1), `f32`: 24 bits.
///
/// ```no_run
/// # use plugin_api::prelude::*;
/// # fn show(layout: &Layout) -> Tensor {
/// let times_b1 = random::uniform(&[32, 1], "time");
/// random::uniform(&(layout, 1), "mask") // [n, 1]
/// # }
/// ```
#[track_caller]
#[must_use]
pub fn uniform(over: &(impl Extent + ?Sized), stream: &str) -> Tensor {
    over.draw(op::UNIFORM, &[Attr::Text(key::STREAM, stream), float()], Location::caller())
}

/// Uniform in the open interval (0, 1) with 53 bits, `f64`: odd multiples of 2⁻⁵³. [`uniform`] has 24, odd multiples of
/// 2⁻²⁴: what is rarer than that never comes out of a comparison with it.
#[track_caller]
#[must_use]
pub fn uniform_f64(over: &(impl Extent + ?Sized), stream: &str) -> Tensor {
    let dtype = Attr::Integer(key::DTYPE, i64::from(DType::F64.number()));
    over.draw(op::UNIFORM, &[Attr::Text(key::STREAM, stream), dtype], Location::caller())
}

/// Normal, `f32`.
#[track_caller]
#[must_use]
pub fn normal(over: &(impl Extent + ?Sized), mean: f64, deviation: f64, stream: &str) -> Tensor {
    let attributes =
        [Attr::Text(key::STREAM, stream), float(), Attr::Float(key::MEAN, mean), Attr::Float(key::STD, deviation)];
    over.draw(op::NORMAL, &attributes, Location::caller())
}

/// Truth values, true with probability `rate`.
#[track_caller]
#[must_use]
pub fn bernoulli(over: &(impl Extent + ?Sized), rate: f64, stream: &str) -> Tensor {
    let attributes = [Attr::Text(key::STREAM, stream), Attr::Float(key::RATE, rate)];
    over.draw(op::BERNOULLI, &attributes, Location::caller())
}

/// `u32` below `high`, each equally likely.
#[track_caller]
#[must_use]
pub fn integers_below(over: &(impl Extent + ?Sized), high: u32, stream: &str) -> Tensor {
    let attributes = [Attr::Text(key::STREAM, stream), Attr::Integer(key::HIGH, i64::from(high))];
    over.draw(op::INTEGERS, &attributes, Location::caller())
}

/// Standard Gumbel, `f32`: added to logits, the argmax is a draw from their softmax (Jang et al. 2016,
/// arXiv:1611.01144).
#[track_caller]
#[must_use]
pub fn gumbel(over: &(impl Extent + ?Sized), stream: &str) -> Tensor {
    over.draw(op::GUMBEL, &[Attr::Text(key::STREAM, stream), float()], Location::caller())
}

/// The numbers below `count` in random order, `u32`.
#[track_caller]
#[must_use]
pub fn permutation(count: usize, stream: &str) -> Tensor {
    let attributes = [Attr::Integer(key::COUNT, integer(count)), Attr::Text(key::STREAM, stream)];
    Tensor::from_object(one(op::PERMUTATION, &[], &attributes, Location::caller()))
}

//! Activations as epilogues of a product, and gated linear units.

use super::on_device;
use crate::kernel::{Real, by_real, over_rows, rows_width, slice, unfilled, value_as, vectorised};
use crate::{Error, Result, Tensor, Value};

/// The function after a linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Activation {
    /// None.
    #[default]
    None,
    /// max(x, 0); slope 0 at 0.
    Relu,
    /// x Φ(x) with the exact normal distribution (Hendrycks & Gimpel 2016, arXiv:1606.08415).
    Gelu,
    /// Its approximation by the hyperbolic tangent (the same, section 2).
    GeluTanh,
    /// x σ(x), also called swish.
    Silu,
    /// σ(x): the gate of the first GLU (Dauphin et al. 2017, arXiv:1612.08083).
    Sigmoid,
}

const TANH_SCALE: f64 = 0.797_884_560_802_865_4;
const TANH_CUBE: f64 = 0.044_715;

// Plain loops: a closure as long as these is called for each element instead of becoming vector instructions.
vectorised! {
    /// `y = f(z)`.
    fn activate<T>(activation: Activation, z: &[T], y: &mut [T]) {
        let half = T::of(0.5);
        let pairs = y.iter_mut().zip(z);
        match activation {
            Activation::None => {
                for (y, z) in pairs {
                    *y = *z;
                }
            }
            Activation::Relu => {
                for (y, z) in pairs {
                    *y = if *z < T::zero() { T::zero() } else { *z };
                }
            }
            Activation::Gelu => {
                for (y, z) in pairs {
                    *y = *z * z.normal_cdf_pdf().0;
                }
            }
            Activation::GeluTanh => {
                for (y, z) in pairs {
                    let z = *z;
                    let inner = T::of(TANH_SCALE) * (z + T::of(TANH_CUBE) * z * z * z);
                    *y = half * z * (T::one() + inner.fast_tanh());
                }
            }
            Activation::Silu => {
                for (y, z) in pairs {
                    *y = *z * z.fast_sigmoid();
                }
            }
            Activation::Sigmoid => {
                for (y, z) in pairs {
                    *y = z.fast_sigmoid();
                }
            }
        }
    }
}

vectorised! {
    /// `dz = g f'(z)`.
    fn activate_backward<T>(activation: Activation, z: &[T], g: &[T], dz: &mut [T]) {
        let (half, one) = (T::of(0.5), T::one());
        let triples = dz.iter_mut().zip(z).zip(g);
        match activation {
            Activation::None => {
                for ((dz, _), g) in triples {
                    *dz = *g;
                }
            }
            Activation::Relu => {
                for ((dz, z), g) in triples {
                    *dz = if *z > T::zero() { *g } else { T::zero() };
                }
            }
            Activation::Gelu => {
                for ((dz, z), g) in triples {
                    let (cdf, pdf) = z.normal_cdf_pdf();
                    *dz = *g * (cdf + *z * pdf);
                }
            }
            Activation::GeluTanh => {
                for ((dz, z), g) in triples {
                    let z = *z;
                    let t = (T::of(TANH_SCALE) * (z + T::of(TANH_CUBE) * z * z * z)).fast_tanh();
                    let slope = T::of(TANH_SCALE) * (one + T::of(3.0 * TANH_CUBE) * z * z);
                    *dz = *g * (half * (one + t) + half * z * (one - t * t) * slope);
                }
            }
            Activation::Silu => {
                for ((dz, z), g) in triples {
                    let s = z.fast_sigmoid();
                    *dz = *g * s * (one + *z * (one - s));
                }
            }
            Activation::Sigmoid => {
                for ((dz, z), g) in triples {
                    let s = z.fast_sigmoid();
                    *dz = *g * s * (one - s);
                }
            }
        }
    }
}

/// A gated linear unit: `f(a) * b` for `x = [a, b]` split in the middle of the last axis; `[.., 2f]` to `[.., f]`.
///
/// Shazeer 2020, arXiv:2002.05202, section 2: `Silu` gives SwiGLU, `Gelu` GEGLU. The first half is the gate that the
/// activation sees; `torch.nn.functional.glu` has the gate behind.
///
/// # Errors
/// When the last axis is odd or `x` is not floating.
pub fn glu(x: &Tensor, activation: Activation) -> Result<Tensor> {
    let (_, double) = rows_width("glu", x)?;
    if double % 2 != 0 {
        return Err(Error::shape("glu", format!("the last axis of {:?} is odd", x.dims()))
            .with_help("the layer before a gated unit gives gate and value side by side: twice the width"));
    }
    if on_device::is_other(x.device()) {
        return on_device::glu(x, activation);
    }
    let y = by_real!(x.value().dtype(), T => glu_forward::<T>(x.value(), double / 2, activation)?);
    let saved = x.value().clone();
    Ok(Tensor::from_op("glu", y, &[x], move |gradient, _| {
        Ok(vec![Some(by_real!(saved.dtype(), T => glu_backward::<T>(&saved, gradient, double / 2, activation)?))])
    }))
}

fn glu_forward<T: Real>(x: &Value, width: usize, activation: Activation) -> Result<Value> {
    slice!(elements: T = x);
    let mut y = unfilled(elements.len() / 2);
    over_rows(&mut y, width, |first, y| {
        for (index, y) in y.chunks_mut(width).enumerate() {
            let start = (first + index) * 2 * width;
            activate(activation, &elements[start..start + width], y);
            y.iter_mut().zip(&elements[start + width..]).for_each(|(y, b)| *y *= *b);
        }
    });
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = width;
    }
    value_as(y, &shape, x.dtype())
}

fn glu_backward<T: Real>(x: &Value, gradient: &Value, width: usize, activation: Activation) -> Result<Value> {
    slice!(elements: T = x);
    slice!(g: T = gradient);
    let mut dx = unfilled(elements.len());
    over_rows(&mut dx, 2 * width, |first, dx| {
        let mut scaled = vec![T::zero(); width];
        for (index, dx) in dx.chunks_mut(2 * width).enumerate() {
            let row = first + index;
            let (a, b) = elements[row * 2 * width..(row + 1) * 2 * width].split_at(width);
            let g = &g[row * width..(row + 1) * width];
            let (da, db) = dx.split_at_mut(width);
            activate(activation, a, db);
            db.iter_mut().zip(g).for_each(|(db, g)| *db *= *g);
            scaled.iter_mut().zip(b).zip(g).for_each(|((s, b), g)| *s = *b * *g);
            activate_backward(activation, a, &scaled, da);
        }
    });
    value_as(dx, x.dims(), x.dtype())
}

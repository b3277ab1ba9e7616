//! Views: what a weight's users see instead of its value. They are a list, applied from the lowest up.

use std::fmt;
use std::sync::Arc;

use super::buffer::Buffer;
use super::weight::{Resolve, Weight};
use crate::kernel::{Arithmetic, arithmetic, sum_of};
use crate::{Error, Result, Tensor};

/// Makes the tensor that is seen from the weight's name and the tensor below.
pub type ViewCallback = Arc<dyn Fn(&str, &Tensor) -> Result<Tensor> + Send + Sync>;

/// One change on the way from a slot to its users.
#[derive(Clone)]
#[non_exhaustive]
pub enum View {
    /// `sg(below) + delta`: only the difference is trained.
    Delta {
        /// A weight of the same shape, usually zero at first.
        delta: Arc<Weight>,
    },
    /// `sg(base) + below`: this weight is the trained difference to another one, which may belong to another model
    /// (gradient-disentangled sharing; He et al. 2021, arXiv:2111.09543, section 3.2).
    DeltaOf {
        /// A weight of the same shape; it gets no gradient from here.
        base: Arc<Weight>,
    },
    /// `below + scale · up · down` (Hu et al. 2021, arXiv:2106.09685, section 4.1), with axes after the first as one.
    LowRank {
        /// `[out, rank]`, usually zero at first.
        up: Arc<Weight>,
        /// `[rank, in]`.
        down: Arc<Weight>,
        /// The factor, α / rank in the paper.
        scale: f64,
        /// Whether what lies below is trained too.
        train_base: bool,
    },
    /// `below ∘ mask`: hidden entries are 0 and get no gradient.
    Mask {
        /// Ones and zeros (or factors) of the same shape.
        mask: Arc<Buffer>,
    },
    /// Anything else.
    Callback(ViewCallback),
}

impl View {
    pub(super) fn weights(&self) -> Vec<&Arc<Weight>> {
        match self {
            Self::Delta { delta } => vec![delta],
            Self::DeltaOf { base } => vec![base],
            Self::LowRank { up, down, .. } => vec![up, down],
            Self::Mask { .. } | Self::Callback(_) => Vec::new(),
        }
    }

    pub(super) fn freezes_base(&self) -> bool {
        matches!(self, Self::Delta { .. } | Self::LowRank { train_base: false, .. })
    }

    /// Checks that the view suits a weight of this shape.
    pub(super) fn check(&self, name: &str, shape: &[usize]) -> Result<()> {
        let same = |other: &str, found: &[usize]| {
            let fact = format!("`{name}` has shape {shape:?}, `{other}` {found:?}");
            if found == shape { Ok(()) } else { Err(Error::shape("view", fact).with_help("give both one shape")) }
        };
        match self {
            Self::Delta { delta } => same(delta.name(), delta.shape()),
            Self::DeltaOf { base } => same(base.name(), base.shape()),
            Self::Mask { mask } => same(mask.name(), mask.shape()),
            Self::LowRank { up, down, .. } => match (up.shape(), down.shape(), shape) {
                ([out, rank], [rank_down, inner], [rows, rest @ ..])
                    if rank == rank_down && out == rows && *inner == rest.iter().product::<usize>() =>
                {
                    Ok(())
                }
                (up, down, _) => {
                    let fact =
                        format!("a low-rank view of `{name}` {shape:?} can't have `up` {up:?} and `down` {down:?}");
                    Err(Error::shape("view", fact).with_help("they are [out, rank] and [rank, in]"))
                }
            },
            Self::Callback(_) => Ok(()),
        }
    }

    pub(super) fn applied(&self, name: &str, below: Tensor, resolve: &Resolve) -> Result<Tensor> {
        match self {
            Self::Delta { delta } => sum(&below.stop_gradient(), &delta.resolve(resolve)?),
            Self::DeltaOf { base } => sum(&base.resolve(resolve)?.stop_gradient(), &below),
            Self::LowRank { up, down, scale, train_base } => {
                let below = if *train_base { below } else { below.stop_gradient() };
                low_rank(&below, &up.resolve(resolve)?, &down.resolve(resolve)?, *scale)
            }
            Self::Mask { mask } => {
                let mask = mask.value().to_dtype(below.value().dtype())?;
                let value = arithmetic(Arithmetic::Mul, below.value(), &mask)?;
                Ok(Tensor::from_op("mask_view", value, &[&below], move |gradient, _| {
                    Ok(vec![Some(arithmetic(Arithmetic::Mul, gradient, &mask)?)])
                }))
            }
            Self::Callback(function) => {
                let seen = function(name, &below)?;
                if seen.dims() != below.dims() {
                    let fact = format!("the view of `{name}` made {:?} of {:?}", seen.dims(), below.dims());
                    return Err(Error::shape("view", fact).with_help("a view keeps the shape"));
                }
                Ok(seen)
            }
        }
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delta { delta } => write!(f, "Delta({})", delta.name()),
            Self::DeltaOf { base } => write!(f, "DeltaOf({})", base.name()),
            Self::LowRank { up, down, scale, .. } => write!(f, "LowRank({}, {}, {scale})", up.name(), down.name()),
            Self::Mask { mask } => write!(f, "Mask({})", mask.name()),
            Self::Callback(_) => f.write_str("Callback"),
        }
    }
}

pub(super) fn sum(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    let value = sum_of(left.value(), right.value())?;
    Ok(Tensor::from_op("delta_view", value, &[left, right], |gradient, needs| {
        Ok(needs.iter().map(|needed| needed.then(|| gradient.clone())).collect())
    }))
}

pub(super) fn low_rank(base: &Tensor, up: &Tensor, down: &Tensor, scale: f64) -> Result<Tensor> {
    let (up_value, down_value) = (up.value().clone(), down.value().clone());
    let change = (up_value.matmul(&down_value)? * scale)?;
    let value = sum_of(base.value(), &change.reshape(base.dims())?)?;
    Ok(Tensor::from_op("low_rank_view", value, &[base, up, down], move |gradient, needs| {
        let matrix = (gradient.contiguous()?.reshape((up_value.dim(0)?, down_value.dim(1)?))? * scale)?;
        Ok(vec![
            needs[0].then(|| gradient.clone()),
            if needs[1] { Some(matrix.matmul(&down_value.t()?)?) } else { None },
            if needs[2] { Some(up_value.t()?.matmul(&matrix)?) } else { None },
        ])
    }))
}

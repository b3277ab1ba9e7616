//! Convolutions, pooling, up-sampling.

use compute::spatial::{self, Conv, Pool};
use lacuna_abi::attribute::{ALIGN_CORNERS, DILATION, GROUPS, KERNEL, OUTPUT_PADDING, PADDING, SHAPE, STRIDE};
use lacuna_abi::op;

use super::arguments::Arguments;
use super::{Operator, Stop, one, operator};

const CONV: &[u32] = &[STRIDE, PADDING, DILATION, GROUPS];
const CONV_TRANSPOSE: &[u32] = &[STRIDE, PADDING, OUTPUT_PADDING, DILATION, GROUPS];
const POOL: &[u32] = &[KERNEL, STRIDE, PADDING];

fn conv<const N: usize>(a: &Arguments<'_>) -> Result<Conv<N>, Stop> {
    Ok(Conv {
        stride: a.attributes.sizes_of(STRIDE, Some([1; N]))?,
        padding: a.attributes.sizes_of(PADDING, Some([0; N]))?,
        dilation: a.attributes.sizes_of(DILATION, Some([1; N]))?,
        groups: a.attributes.maybe_size(GROUPS)?.unwrap_or(1),
    })
}

fn pool<const N: usize>(a: &Arguments<'_>) -> Result<Pool<N>, Stop> {
    let kernel = a.attributes.sizes_of(KERNEL, None)?;
    let stride = a.attributes.sizes_of(STRIDE, Some(kernel))?;
    Ok(Pool { kernel, stride, padding: a.attributes.sizes_of(PADDING, Some([0; N]))? })
}

macro_rules! conv {
    ($number:ident, $function:path) => {
        operator(op::$number, (2, 3), CONV, |a| {
            let bias = a.maybe_tensor(2)?;
            one($function(&a.tensor(0)?, &a.tensor(1)?, bias.as_ref(), conv(a)?)?)
        })
    };
}

macro_rules! conv_transpose {
    ($number:ident, $function:path, $axes:literal) => {
        operator(op::$number, (2, 3), CONV_TRANSPOSE, |a| {
            let bias = a.maybe_tensor(2)?;
            let output_padding = a.attributes.sizes_of(OUTPUT_PADDING, Some([0; $axes]))?;
            one($function(&a.tensor(0)?, &a.tensor(1)?, bias.as_ref(), conv(a)?, output_padding)?)
        })
    };
}

pub(super) const TABLE: &[Operator] = &[
    conv!(CONV1D, spatial::conv1d),
    conv!(CONV2D, spatial::conv2d),
    conv_transpose!(CONV_TRANSPOSE1D, spatial::conv_transpose1d, 1),
    conv_transpose!(CONV_TRANSPOSE2D, spatial::conv_transpose2d, 2),
    operator(op::MAX_POOL1D, (1, 1), POOL, |a| one(spatial::max_pool1d(&a.tensor(0)?, pool(a)?)?)),
    operator(op::MAX_POOL2D, (1, 1), POOL, |a| one(spatial::max_pool2d(&a.tensor(0)?, pool(a)?)?)),
    operator(op::AVG_POOL1D, (1, 1), POOL, |a| one(spatial::avg_pool1d(&a.tensor(0)?, pool(a)?, true)?)),
    operator(op::AVG_POOL2D, (1, 1), POOL, |a| one(spatial::avg_pool2d(&a.tensor(0)?, pool(a)?, true)?)),
    operator(op::UPSAMPLE_NEAREST2D, (1, 1), &[SHAPE], |a| {
        one(spatial::upsample_nearest2d(&a.tensor(0)?, a.attributes.sizes_of(SHAPE, None)?)?)
    }),
    operator(op::UPSAMPLE_BILINEAR2D, (1, 1), &[SHAPE, ALIGN_CORNERS], |a| {
        let size = a.attributes.sizes_of(SHAPE, None)?;
        one(spatial::upsample_bilinear(&a.tensor(0)?, size, a.attributes.flag(ALIGN_CORNERS)?)?)
    }),
];

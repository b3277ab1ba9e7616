//! Convolution (cross-correlation, as everywhere in this field) and its transpose over one or two axes.

use super::conv_kernels::{Plan, bias_gradient, forward, input_gradient, weight_gradient};
use super::windows::Windows;
use super::{checked, lifted, lowered, pair};
use crate::kernel::{sum_of, widen};
use crate::tape::require_float;
use crate::{Error, Result, Tensor, Value};

/// How a convolution over `N` axes moves; the default is stride 1, no padding, dilation 1, one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv<const N: usize> {
    /// Inputs from one output to the next.
    pub stride: [usize; N],
    /// Zeros added on both ends.
    pub padding: [usize; N],
    /// Inputs from one tap of the kernel to the next.
    pub dilation: [usize; N],
    /// Channels are split into this many groups that do not see each other; as many as channels is depthwise.
    pub groups: usize,
}

impl<const N: usize> Default for Conv<N> {
    fn default() -> Self {
        Self { stride: [1; N], padding: [0; N], dilation: [1; N], groups: 1 }
    }
}

/// One-dimensional convolution of `x` `[b, c, l]` with `weight` `[o, c / groups, k]` and `bias` `[o]`: `[b, o, l']`.
///
/// `l' = (l + 2·padding − dilation·(k − 1) − 1) / stride + 1`; inputs left over at the end are not looked at.
///
/// # Errors
/// When ranks, channels, groups, dtypes or lengths do not fit.
pub fn conv1d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, conv: Conv<1>) -> Result<Tensor> {
    convolution("conv1d", x, weight, bias, conv)
}

/// Two-dimensional convolution of `x` `[b, c, h, w]` with `weight` `[o, c / groups, kh, kw]` and `bias` `[o]`:
/// `[b, o, h', w']`, lengths as in [`conv1d`] on each axis.
///
/// # Errors
/// When ranks, channels, groups, dtypes or lengths do not fit.
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, conv: Conv<2>) -> Result<Tensor> {
    convolution("conv2d", x, weight, bias, conv)
}

/// Transposed convolution of `x` `[b, c, l]` with `weight` `[c, o / groups, k]` and `bias` `[o]`: `[b, o, l']`.
///
/// `l' = (l − 1)·stride − 2·padding + dilation·(k − 1) + output_padding + 1`; `output_padding` must be below the stride.
///
/// # Errors
/// When ranks, channels, groups, dtypes or lengths do not fit.
pub fn conv_transpose1d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    conv: Conv<1>,
    output_padding: [usize; 1],
) -> Result<Tensor> {
    transposed("conv_transpose1d", x, weight, bias, conv, output_padding)
}

/// Transposed convolution of `x` `[b, c, h, w]` with `weight` `[c, o / groups, kh, kw]` and `bias` `[o]`:
/// `[b, o, h', w']`, lengths as in [`conv_transpose1d`] on each axis.
///
/// # Errors
/// When ranks, channels, groups, dtypes or lengths do not fit.
pub fn conv_transpose2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    conv: Conv<2>,
    output_padding: [usize; 2],
) -> Result<Tensor> {
    transposed("conv_transpose2d", x, weight, bias, conv, output_padding)
}

/// The weight's four lengths, after checking it against the input.
fn checked_weight(name: &'static str, x: &Tensor, weight: &Tensor, axes: usize) -> Result<[usize; 4]> {
    require_float(name, weight)?;
    let dims = weight.dims();
    if dims.len() != axes + 2 || dims.contains(&0) {
        let fact = format!("the weight has shape {dims:?}; it needs {} axes, none of them empty", axes + 2);
        return Err(Error::shape(name, fact));
    }
    if x.dtype() != weight.dtype() {
        let fact = format!("the input is {} and the weight {}; cast one to the other", x.dtype(), weight.dtype());
        return Err(Error::argument(name, fact));
    }
    Ok(if axes == 1 { [dims[0], dims[1], 1, dims[2]] } else { [dims[0], dims[1], dims[2], dims[3]] })
}

fn checked_groups(name: &'static str, groups: usize, channels: usize, what: &str) -> Result<()> {
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(Error::argument(name, format!("{channels} {what} channels can't be split into {groups} groups")));
    }
    Ok(())
}

fn convolution<const N: usize>(
    name: &'static str,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    conv: Conv<N>,
) -> Result<Tensor> {
    let [batch, in_channels, height, width] = checked(name, x, N)?;
    let [out_channels, in_group, kernel_height, kernel_width] = checked_weight(name, x, weight, N)?;
    checked_groups(name, conv.groups, in_channels, "input")?;
    checked_groups(name, conv.groups, out_channels, "output")?;
    if in_group != in_channels / conv.groups {
        let fact = format!(
            "the input {:?} has {in_channels} channels in {} groups, but the weight {:?} takes {in_group} a group",
            x.dims(),
            conv.groups,
            weight.dims()
        );
        return Err(Error::shape(name, fact).with_help("the weight's axes are [out, in / groups, kernel]"));
    }
    let windows = Windows::new(
        name,
        [height, width],
        [kernel_height, kernel_width],
        pair(conv.stride, 1),
        pair(conv.padding, 0),
        pair(conv.dilation, 1),
    )?;
    let plan = Plan { batch, in_channels, out_channels, groups: conv.groups, windows };
    recorded(name, x, weight, bias, plan, N, false)
}

fn transposed<const N: usize>(
    name: &'static str,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    conv: Conv<N>,
    output_padding: [usize; N],
) -> Result<Tensor> {
    let [batch, in_channels, height, width] = checked(name, x, N)?;
    let [weight_in, out_group, kernel_height, kernel_width] = checked_weight(name, x, weight, N)?;
    checked_groups(name, conv.groups, in_channels, "input")?;
    if weight_in != in_channels {
        let fact = format!(
            "the input {:?} has {in_channels} channels, but the weight {:?} takes {weight_in}",
            x.dims(),
            weight.dims()
        );
        return Err(Error::shape(name, fact).with_help("the weight's axes are [in, out / groups, kernel]"));
    }
    let (stride, padding, dilation) = (pair(conv.stride, 1), pair(conv.padding, 0), pair(conv.dilation, 1));
    let (kernel, extra) = ([kernel_height, kernel_width], pair(output_padding, 0));
    let mut output = [0; 2];
    for axis in 0..2 {
        let input = [height, width][axis];
        if extra[axis] != 0 && extra[axis] >= stride[axis] {
            let fact = format!("output_padding {output_padding:?} must be below the stride {:?}", conv.stride);
            return Err(Error::argument(name, fact));
        }
        let full = (input - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + extra[axis] + 1;
        output[axis] = full.checked_sub(2 * padding[axis]).filter(|length| *length > 0).ok_or_else(|| {
            Error::shape(name, format!("padding {:?} leaves nothing of the length {full}", conv.padding))
        })?;
    }
    // The transpose is the gradient of the convolution that leads from the output back to the input.
    let windows = Windows::new(name, output, kernel, stride, padding, dilation)?;
    debug_assert_eq!(windows.output, [height, width]);
    let out_channels = out_group * conv.groups;
    let plan = Plan { batch, in_channels: out_channels, out_channels: in_channels, groups: conv.groups, windows };
    recorded(name, x, weight, bias, plan, N, true)
}

/// Computes and records; with `transpose` the plan is that of the convolution whose gradient this is.
fn recorded(
    name: &'static str,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    plan: Plan,
    axes: usize,
    transpose: bool,
) -> Result<Tensor> {
    let (x_value, weight_value) = (lifted(x.value(), axes)?, lifted(weight.value(), axes)?);
    let channels = if transpose { plan.in_channels } else { plan.out_channels };
    let dtype = x_value.dtype();
    let product = if transpose { input_gradient } else { forward };
    let mut output = product(&widen(&x_value)?, &widen(&weight_value)?, &plan)?;
    if let Some(bias) = bias {
        if bias.dims() != [channels] {
            let fact = format!("the bias has shape {:?} for {channels} output channels", bias.dims());
            return Err(Error::shape(name, fact).with_help(format!("give it the shape [{channels}]")));
        }
        let bias = bias.value().to_dtype(output.dtype())?.reshape((1, channels, 1, 1))?;
        output = sum_of(&output, &bias)?;
    }
    let output = lowered(&output.to_dtype(dtype)?, axes)?;
    let bias_dtype = bias.map(|bias| bias.value().dtype());
    let backward = move |gradient: &Value, needs: &[bool]| {
        let gradient = widen(&lifted(gradient, axes)?)?;
        let mut gradients = vec![None; needs.len()];
        if needs[0] {
            let weight = widen(&weight_value)?;
            let x = if transpose {
                forward(&gradient, &weight, &plan)?
            } else {
                input_gradient(&gradient, &weight, &plan)?
            };
            gradients[0] = Some(lowered(&x.to_dtype(dtype)?, axes)?);
        }
        if needs[1] {
            let x = widen(&x_value)?;
            let weight =
                if transpose { weight_gradient(&gradient, &x, &plan)? } else { weight_gradient(&x, &gradient, &plan)? };
            gradients[1] = Some(lowered(&weight.to_dtype(dtype)?, axes)?);
        }
        if let Some(bias_dtype) = bias_dtype
            && needs[2]
        {
            gradients[2] = Some(bias_gradient(&gradient)?.to_dtype(bias_dtype)?);
        }
        Ok(gradients)
    };
    let inputs: Vec<&Tensor> = [Some(x), Some(weight), bias].into_iter().flatten().collect();
    Ok(Tensor::from_op(name, output, &inputs, backward))
}

//! Connectionist temporal classification: the probability of a transcript over all ways to stretch it over rows.
//!
//! Graves et al. 2006, "Connectionist Temporal Classification", sections 3 and 4. Letters: n rows (frames), b segments, v classes,
//! m labels. In the recursions a segment of s labels has 2s + 1 states: a blank, the first label, a blank, …, the last, a blank.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::cross_entropy::matrix_dims;
use crate::kernel::{ids, slice, value_of};
use crate::layout::Layout;
use crate::{Device, Error, Result, Tensor, Value};

const NAME: &str = "ctc";

/// What to do with a segment that has fewer rows than its transcript needs (a row for each label, and one between equal ones).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooShort {
    /// Refuse it by name.
    Refuse,
    /// Loss 0 and no gradient.
    Skip,
}

/// −ln of the probability of each segment's transcript, `[b]`, in f32 at least: `logits [n, v]` of the rows of `layout`,
/// `targets [m]` (u32 or i64) of the rows of `target_layout`, which has as many segments. `blank` is the class that says nothing.
///
/// Logits go through a log-softmax first; those that did already stay what they are. The recursions run in f64 and in
/// logarithms. A transcript may be empty. Where infinite logits leave it no way the loss is infinite.
///
/// # Errors
/// When shapes do not fit, a label is outside the classes or the blank, or a segment is too short and that is refused.
pub fn ctc(
    logits: &Tensor,
    layout: &Layout,
    targets: &Tensor,
    target_layout: &Layout,
    blank: usize,
    too_short: TooShort,
) -> Result<Tensor> {
    let (rows, classes) = matrix_dims(NAME, logits)?;
    let call = Arc::new(Call::checked((rows, classes), layout, targets, target_layout, blank, too_short)?);
    let (dtype, device) = (logits.value().dtype(), logits.device().clone());
    // Both passes are recursions over a few numbers for each row: they run on the CPU, whatever the device.
    let x = logits.value().to_device(&Device::Cpu)?.to_dtype(candle_core::DType::F64)?;
    let kept = if dtype == candle_core::DType::F64 { dtype } else { candle_core::DType::F32 };
    let losses: Vec<f64> = {
        slice!(x: f64 = &x);
        (0..layout.segments()).into_par_iter().map(|segment| call.loss(x, segment)).collect()
    };
    let losses = value_of(losses, &[layout.segments()])?.to_dtype(kept)?.to_device(&device)?;
    Ok(Tensor::from_op(NAME, losses, &[logits], move |gradient, _| {
        let gradient = gradient.to_device(&Device::Cpu)?.to_dtype(candle_core::DType::F64)?;
        let dx = call.gradient(&x, &gradient)?;
        Ok(vec![Some(dx.to_dtype(dtype)?.to_device(&device)?)])
    }))
}

/// What is asked for, checked.
struct Call {
    layout: Layout,
    /// The labels of all segments, and where those of each begin.
    labels: Vec<usize>,
    label_offsets: Vec<usize>,
    classes: usize,
    blank: usize,
    /// Segments without loss.
    skipped: Vec<bool>,
}

impl Call {
    fn checked(
        (rows, classes): (usize, usize),
        layout: &Layout,
        targets: &Tensor,
        target_layout: &Layout,
        blank: usize,
        too_short: TooShort,
    ) -> Result<Self> {
        if layout.tokens() != rows {
            return Err(Error::shape(NAME, format!("{rows} rows of logits, and a layout of {}", layout.tokens())));
        }
        if layout.segments() != target_layout.segments() {
            let fact = format!("{} segments of rows and {} transcripts", layout.segments(), target_layout.segments());
            return Err(Error::shape(NAME, fact).with_help("give one transcript for each segment, empty ones too"));
        }
        if targets.dims() != [target_layout.tokens()] {
            let fact = format!("labels of the shape {:?}, and a layout of {}", targets.dims(), target_layout.tokens());
            return Err(Error::shape(NAME, fact));
        }
        if blank >= classes {
            return Err(Error::argument(NAME, format!("the blank {blank} is outside {classes} classes")));
        }
        let label = |(at, id): (usize, i64)| match usize::try_from(id) {
            Ok(class) if class < classes && class != blank => Ok(class),
            _ => Err(Error::argument(
                NAME,
                format!("label {id} at {at} is outside {classes} classes or the blank, {blank}"),
            )),
        };
        let labels = ids(NAME, targets)?.into_iter().enumerate().map(label).collect::<Result<Vec<usize>>>()?;
        let label_offsets = target_layout.offsets().to_vec();
        let mut call = Self { layout: layout.clone(), labels, label_offsets, classes, blank, skipped: Vec::new() };
        for segment in 0..layout.segments() {
            let (length, labels) = (layout.length(segment), call.transcript(segment));
            let repeats = labels.windows(2).filter(|pair| pair[0] == pair[1]).count();
            let needed = labels.len() + repeats;
            if needed > length && too_short == TooShort::Refuse {
                let fact = format!(
                    "segment {segment} has {length} rows, and its {} labels need {needed} ({repeats} repeat the one before)",
                    labels.len()
                );
                return Err(Error::shape(NAME, fact)
                    .with_help("give longer sounds or shorter transcripts, or skip segments that are too short"));
            }
            call.skipped.push(needed > length);
        }
        Ok(call)
    }

    fn transcript(&self, segment: usize) -> &[usize] {
        &self.labels[self.label_offsets[segment]..self.label_offsets[segment + 1]]
    }

    fn numbers(&self, segment: usize) -> Range<usize> {
        let offsets = self.layout.offsets();
        offsets[segment] * self.classes..offsets[segment + 1] * self.classes
    }

    fn lattice(&self, x: &[f64], segment: usize) -> Lattice {
        let transcript = self.transcript(segment);
        let mut classes = vec![self.blank];
        classes.extend(transcript.iter().flat_map(|label| [*label, self.blank]));
        Lattice { log_p: log_softmax(&x[self.numbers(segment)], self.classes), width: self.classes, classes }
    }

    fn loss(&self, x: &[f64], segment: usize) -> f64 {
        if self.skipped[segment] {
            return 0.0;
        }
        let lattice = self.lattice(x, segment);
        -lattice.total(&lattice.forward())
    }

    /// The gradient of all logits.
    fn gradient(&self, x: &Value, gradient: &Value) -> Result<Value> {
        slice!(x: f64 = x);
        slice!(g: f64 = gradient);
        let parts: Vec<Vec<f64>> = (0..self.layout.segments())
            .into_par_iter()
            .map(|segment| {
                if self.skipped[segment] {
                    return vec![0.0; self.numbers(segment).len()];
                }
                self.lattice(x, segment).gradient(g[segment])
            })
            .collect();
        value_of(parts.concat(), &[self.layout.tokens(), self.classes])
    }
}

/// The ways of one segment: its log-probabilities `[rows, width]` and the class of each state.
struct Lattice {
    log_p: Vec<f64>,
    width: usize,
    classes: Vec<usize>,
}

impl Lattice {
    fn rows(&self) -> usize {
        self.log_p.len() / self.width
    }

    /// Whether a way may pass over the blank before `state`: it is a label, and another one than the label before.
    fn skips(&self, state: usize) -> bool {
        state >= 2 && state % 2 == 1 && self.classes[state] != self.classes[state - 2]
    }

    /// ln of all ways from the beginning to each state at each row, with what the row says: α, `[rows, states]`.
    fn forward(&self) -> Vec<f64> {
        let states = self.classes.len();
        let mut alpha = vec![f64::NEG_INFINITY; self.rows() * states];
        for row in 0..self.rows() {
            let (before, now) = alpha.split_at_mut(row * states);
            for state in 0..states {
                let way = match before.len().checked_sub(states).map(|start| &before[start..]) {
                    None => {
                        if state < 2 {
                            0.0
                        } else {
                            f64::NEG_INFINITY
                        }
                    }
                    Some(before) => add_logs([
                        before[state],
                        if state >= 1 { before[state - 1] } else { f64::NEG_INFINITY },
                        if self.skips(state) { before[state - 2] } else { f64::NEG_INFINITY },
                    ]),
                };
                now[state] = way + self.log_p[row * self.width + self.classes[state]];
            }
        }
        alpha
    }

    /// ln of all ways from each state at each row to the end, without what that row says: β, `[rows, states]`.
    fn backward(&self) -> Vec<f64> {
        let (states, rows) = (self.classes.len(), self.rows());
        let mut beta = vec![f64::NEG_INFINITY; rows * states];
        for row in (0..rows).rev() {
            let (now, after) = beta.split_at_mut((row + 1) * states);
            for (state, beta) in now[row * states..].iter_mut().enumerate() {
                *beta = if row + 1 == rows {
                    if state + 2 >= states { 0.0 } else { f64::NEG_INFINITY }
                } else {
                    let from = |next: usize| after[next] + self.log_p[(row + 1) * self.width + self.classes[next]];
                    add_logs([
                        from(state),
                        if state + 1 < states { from(state + 1) } else { f64::NEG_INFINITY },
                        if state + 2 < states && self.skips(state + 2) { from(state + 2) } else { f64::NEG_INFINITY },
                    ])
                };
            }
        }
        beta
    }

    /// ln of the probability of the transcript; 0 where there are neither rows nor labels.
    fn total(&self, alpha: &[f64]) -> f64 {
        let states = self.classes.len();
        let Some(last) = alpha.len().checked_sub(states).map(|start| &alpha[start..]) else { return 0.0 };
        add_logs([last[states - 1], if states > 1 { last[states - 2] } else { f64::NEG_INFINITY }, f64::NEG_INFINITY])
    }

    /// `scale` · (softmax − the share of the ways that are at each class), `[rows, width]`: section 4.1, equation 16.
    fn gradient(&self, scale: f64) -> Vec<f64> {
        let (alpha, beta) = (self.forward(), self.backward());
        let total = self.total(&alpha);
        let states = self.classes.len();
        let mut dx: Vec<f64> = self.log_p.iter().map(|log_p| scale * log_p.exp()).collect();
        for row in 0..self.rows() {
            for (state, class) in self.classes.iter().enumerate() {
                let at = row * states + state;
                dx[row * self.width + class] -= scale * (alpha[at] + beta[at] - total).exp();
            }
        }
        dx
    }
}

/// ln Σ eˣ of three.
fn add_logs(x: [f64; 3]) -> f64 {
    let most = x[0].max(x[1]).max(x[2]);
    // `max` passes over a NaN; a sum shows it.
    if most == f64::NEG_INFINITY || x.iter().any(|x| x.is_nan()) {
        return x.iter().sum();
    }
    most + x.iter().map(|x| (x - most).exp()).sum::<f64>().ln()
}

fn log_softmax(x: &[f64], width: usize) -> Vec<f64> {
    let mut log_p = x.to_vec();
    for row in log_p.chunks_mut(width) {
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let lse = most + row.iter().map(|x| (x - most).exp()).sum::<f64>().ln();
        row.iter_mut().for_each(|x| *x -= lse);
    }
    log_p
}

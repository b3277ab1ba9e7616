//! Which position may attend to which.
//!
//! A [`Mask`] is a list of terms, all of which hold. Attention never crosses a segment, whatever the mask; a query that sees
//! no key gives zeros, not NaN. Query `i` of a segment of `tq` queries and `tk` keys stands at place `i + tk - tq` among the
//! keys: the last query is level with the last key, so that a step of cached generation needs no mask of its own. Causal,
//! prefix and window terms count places; ALiBi counts the distance of the layouts' positions.

use std::sync::Arc;

use crate::layout::Layout;
use crate::{DType, Device, Error, Result, Tensor, Value};

/// What a query may see, and what is added to its scores. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Mask(Arc<Vec<Term>>);

#[derive(Clone, Debug)]
pub(crate) enum Term {
    Causal,
    /// Lengths per segment.
    Prefix(Vec<usize>),
    Window(usize, usize),
    /// One truth value per key row.
    Keys(Vec<u8>),
    /// `[b or 1, h or 1, tq or 1, tk]`.
    Dense(Vec<u8>, [usize; 4]),
    Bias(Tensor, [usize; 4]),
    /// Slopes per head.
    Alibi(Vec<f64>),
}

impl Mask {
    /// Every key of the segment.
    #[must_use]
    pub fn full() -> Self {
        Self::default()
    }

    fn one(term: Term) -> Self {
        Self(Arc::new(vec![term]))
    }

    /// The keys up to the query's own place.
    #[must_use]
    pub fn causal() -> Self {
        Self::one(Term::Causal)
    }

    /// Causal, but the first `lengths[segment]` keys are seen by all queries of the segment (a prefix language model).
    #[must_use]
    pub fn prefix(lengths: Vec<usize>) -> Self {
        Self::one(Term::Prefix(lengths))
    }

    /// The keys from `left` places before the query's place to `right` behind it; `usize::MAX` for no limit.
    #[must_use]
    pub fn window(left: usize, right: usize) -> Self {
        Self::one(Term::Window(left, right))
    }

    /// The keys whose row says true: `visible` is bool `[m]` over the rows of the keys' layout.
    ///
    /// # Errors
    /// When it is not a vector of truth values.
    pub fn keys(visible: &Tensor) -> Result<Self> {
        if visible.rank() != 1 {
            return Err(Error::shape("mask", format!("a mask over keys has shape {:?}", visible.dims()))
                .with_help("it has one truth value for each row of the keys' layout"));
        }
        Ok(Self::one(Term::Keys(truths(visible)?)))
    }

    /// The pairs that say true: `visible` is bool `[b or 1, h or 1, tq or 1, tk]` in padded form.
    ///
    /// # Errors
    /// When it is not of that rank or no truth values.
    pub fn dense(visible: &Tensor) -> Result<Self> {
        Ok(Self::one(Term::Dense(truths(visible)?, four("a dense mask", visible)?)))
    }

    /// Adds `bias [b or 1, h or 1, tq or 1, tk]` (padded form, floating) to the scores; its gradient goes back, at the price
    /// of holding the gradient of all scores. Minus infinity hides a key.
    ///
    /// # Errors
    /// When it is not of that rank or not floating.
    pub fn bias(bias: &Tensor) -> Result<Self> {
        crate::tape::require_float("mask", bias)?;
        Ok(Self::one(Term::Bias(bias.clone(), four("a bias", bias)?)))
    }

    /// Adds `-slope * |distance of positions|` to the scores of each head (ALiBi, Press et al. 2022, arXiv:2108.12409,
    /// section 3; symmetric, as encoders use it; with a causal mask the same formula is the paper's). See [`alibi_slopes`].
    #[must_use]
    pub fn alibi(slopes: Vec<f64>) -> Self {
        Self::one(Term::Alibi(slopes))
    }

    /// What both masks let through, with the biases of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        if self.0.is_empty() {
            return other.clone();
        }
        if other.0.is_empty() {
            return self.clone();
        }
        Self(Arc::new(self.0.iter().chain(&*other.0).cloned().collect()))
    }

    pub(crate) fn terms(&self) -> &[Term] {
        &self.0
    }

    /// The biases, whose gradients attention gives.
    pub(crate) fn biases(&self) -> Vec<&Tensor> {
        self.0.iter().filter_map(|term| if let Term::Bias(bias, _) = term { Some(bias) } else { None }).collect()
    }

    /// The same mask with its biases as constants.
    #[must_use]
    pub fn stop_gradient(&self) -> Self {
        if !self.has_gradient() {
            return self.clone();
        }
        let constant = |term: &Term| match term {
            Term::Bias(bias, dims) => Term::Bias(bias.stop_gradient(), *dims),
            other => other.clone(),
        };
        Self(Arc::new(self.0.iter().map(constant).collect()))
    }

    /// Whether a bias carries a gradient.
    #[must_use]
    pub fn has_gradient(&self) -> bool {
        self.biases().iter().any(|bias| bias.needs_gradient())
    }

    /// In words: `causal & window(4, 0)`.
    #[must_use]
    pub fn describe(&self) -> String {
        let names: Vec<String> = self
            .0
            .iter()
            .map(|term| match term {
                Term::Causal => "causal".to_owned(),
                Term::Prefix(lengths) => format!("prefix({} segments)", lengths.len()),
                Term::Window(left, right) => {
                    let side = |n: &usize| if *n == usize::MAX { "all".to_owned() } else { n.to_string() };
                    format!("window({}, {})", side(left), side(right))
                }
                Term::Keys(keys) => format!("keys({} of {})", keys.iter().filter(|key| **key == 1).count(), keys.len()),
                Term::Dense(_, dims) => format!("dense{dims:?}"),
                Term::Bias(_, dims) => format!("bias{dims:?}"),
                Term::Alibi(slopes) => format!("alibi({} heads)", slopes.len()),
            })
            .collect();
        if names.is_empty() { "full".to_owned() } else { names.join(" & ") }
    }

    /// Holds this mask against the layouts and the number of heads it is used with.
    ///
    /// # Errors
    /// When a term has other segments, rows, heads or lengths.
    pub fn check(&self, queries: &Layout, keys: &Layout, heads: usize) -> Result<()> {
        let fault = |what: String| {
            Err(Error::shape("mask", what).with_help("masks are made for the layouts and heads they are used with"))
        };
        if queries.segments() != keys.segments() {
            return fault(format!("{} segments of queries meet {} of keys", queries.segments(), keys.segments()));
        }
        for term in self.terms() {
            match term {
                Term::Prefix(lengths) if lengths.len() != keys.segments() => {
                    return fault(format!("{} prefix lengths for {} segments", lengths.len(), keys.segments()));
                }
                Term::Keys(visible) if visible.len() != keys.tokens() => {
                    return fault(format!("a mask over {} keys for {} rows", visible.len(), keys.tokens()));
                }
                Term::Alibi(slopes) if slopes.len() != heads => {
                    return fault(format!("{} ALiBi slopes for {heads} heads", slopes.len()));
                }
                Term::Dense(_, dims) | Term::Bias(_, dims) => {
                    let fits = |have: usize, need: usize| have == 1 || have >= need;
                    if (dims[0] != 1 && dims[0] != keys.segments())
                        || (dims[1] != 1 && dims[1] != heads)
                        || !fits(dims[2], queries.longest())
                        || dims[3] < keys.longest()
                    {
                        return fault(format!(
                            "{dims:?} does not cover [{}, {heads}, {}, {}]",
                            keys.segments(),
                            queries.longest(),
                            keys.longest()
                        ));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The keys `start..end` of a segment that causal, prefix and window terms let a query see.
    pub(crate) fn range(&self, segment: usize, query: usize, queries: usize, keys: usize) -> (usize, usize) {
        let place = query as i64 + keys as i64 - queries as i64;
        let bound = |place: i64| place.clamp(0, keys as i64) as usize;
        let (mut start, mut end) = (0, keys);
        for term in self.terms() {
            match term {
                Term::Causal => end = end.min(bound(place + 1)),
                Term::Prefix(lengths) => end = end.min(bound(place + 1).max(lengths[segment])),
                Term::Window(left, right) => {
                    let limit = |n: usize| i64::try_from(n).unwrap_or(i64::MAX).min(i64::from(u32::MAX) * 2);
                    start = start.max(bound(place - limit(*left)));
                    end = end.min(bound(place + limit(*right) + 1));
                }
                _ => {}
            }
        }
        (start, end.max(start))
    }

    /// Whether query `query` of a segment may see key `key` in this head. Call [`Mask::check`] first; indices count within
    /// the segment.
    #[must_use]
    pub fn visible(&self, layouts: (&Layout, &Layout), segment: usize, head: usize, query: usize, key: usize) -> bool {
        let (queries, keys) = layouts;
        let (start, end) = self.range(segment, query, queries.length(segment), keys.length(segment));
        (start..end).contains(&key)
            && self.terms().iter().all(|term| match term {
                Term::Keys(visible) => visible[keys.offsets()[segment] + key] == 1,
                Term::Dense(visible, dims) => visible[start_of(dims, segment, head, query) + key] == 1,
                _ => true,
            })
    }

    /// Padded form for unfused attention: bool `[b, h or 1, tq, tk]`, false for what is hidden or padding, and the sum of
    /// ALiBi biases `[b, h, tq, tk]` in f32 (or None). Biases given as tensors are not in it.
    pub(crate) fn written_out(
        &self,
        queries: &Layout,
        keys: &Layout,
        heads: usize,
        device: &Device,
    ) -> Result<(Tensor, Option<Value>)> {
        let by_head = self.terms().iter().any(|term| matches!(term, Term::Dense(_, dims) if dims[1] > 1));
        let (b, h, tq, tk) = (keys.segments(), if by_head { heads } else { 1 }, queries.longest(), keys.longest());
        let mut truth = vec![0_u8; b * h * tq * tk];
        let mut alibi =
            self.terms().iter().any(|term| matches!(term, Term::Alibi(_))).then(|| vec![0.0_f64; b * heads * tq * tk]);
        for segment in 0..b {
            for query in 0..queries.length(segment) {
                for key in 0..keys.length(segment) {
                    for head in 0..h {
                        let place = ((segment * h + head) * tq + query) * tk + key;
                        truth[place] = u8::from(self.visible((queries, keys), segment, head, query, key));
                    }
                    let Some(alibi) = &mut alibi else { continue };
                    let distance = queries.positions()[queries.offsets()[segment] + query]
                        .abs_diff(keys.positions()[keys.offsets()[segment] + key]);
                    for term in self.terms() {
                        let Term::Alibi(slopes) = term else { continue };
                        for (head, slope) in slopes.iter().enumerate() {
                            alibi[((segment * heads + head) * tq + query) * tk + key] -= slope * f64::from(distance);
                        }
                    }
                }
            }
        }
        let truth = Tensor::truth(Value::from_vec(truth, (b, h, tq, tk), device)?);
        Ok((truth, alibi.map(|alibi| Value::from_vec(alibi, (b, heads, tq, tk), device)).transpose()?))
    }
}

impl std::ops::BitAnd for &Mask {
    type Output = Mask;

    fn bitand(self, other: &Mask) -> Mask {
        self.and(other)
    }
}

/// The place of (segment, head, query, key 0) in a buffer of these dims, where axes of length 1 serve all.
pub(crate) fn start_of(dims: &[usize; 4], segment: usize, head: usize, query: usize) -> usize {
    let at = |axis: usize, index: usize| if dims[axis] == 1 { 0 } else { index };
    ((at(0, segment) * dims[1] + at(1, head)) * dims[2] + at(2, query)) * dims[3]
}

fn truths(tensor: &Tensor) -> Result<Vec<u8>> {
    if !matches!(tensor.dtype(), DType::Bool | DType::U8) {
        return Err(
            Error::dtype("mask", tensor.dtype()).with_help("true is what may be seen; for numbers to add use `bias`")
        );
    }
    Ok(tensor.value().flatten_all()?.to_vec1::<u8>()?.into_iter().map(|byte| u8::from(byte != 0)).collect())
}

fn four(what: &str, tensor: &Tensor) -> Result<[usize; 4]> {
    <[usize; 4]>::try_from(tensor.dims()).map_err(|_| {
        Error::shape("mask", format!("{what} has shape {:?}", tensor.dims()))
            .with_help("it is [segments or 1, heads or 1, queries, keys], as long as the longest segments")
    })
}

/// The slopes of ALiBi for this many heads (Press et al. 2022, arXiv:2108.12409, section 3 and the released code): for a power
/// of two H, `2^(-8h/H)` for h = 1..H; otherwise those of the power of two below, then every second one of its double.
#[must_use]
pub fn alibi_slopes(heads: usize) -> Vec<f64> {
    let power = |count: usize| (1..=count).map(move |h| (-8.0 * h as f64 / count as f64).exp2());
    if heads == 0 {
        return Vec::new();
    }
    let below = 1 << heads.ilog2();
    power(below).chain(power(2 * below).step_by(2)).take(heads).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn sees(mask: &Mask, queries: usize, keys: usize) -> Vec<String> {
        let (q, k) = (Layout::new(&[queries], &[0]).unwrap(), Layout::new(&[keys], &[0]).unwrap());
        mask.check(&q, &k, 1).unwrap();
        let line = |i| (0..keys).map(|j| if mask.visible((&q, &k), 0, 0, i, j) { '1' } else { '.' }).collect();
        (0..queries).map(line).collect()
    }

    #[test]
    fn each_kind_shows_what_it_says() {
        assert_eq!(sees(&Mask::full(), 2, 2), ["11", "11"]);
        assert_eq!(sees(&Mask::causal(), 3, 3), ["1..", "11.", "111"]);
        assert_eq!(sees(&Mask::causal(), 1, 3), ["111"]);
        assert_eq!(sees(&Mask::causal(), 3, 2), ["..", "1.", "11"]);
        assert_eq!(sees(&Mask::prefix(vec![2]), 3, 3), ["11.", "11.", "111"]);
        assert_eq!(sees(&Mask::window(1, 0), 3, 3), ["1..", "11.", ".11"]);
        assert_eq!(sees(&Mask::window(usize::MAX, 1), 3, 3), ["11.", "111", "111"]);
        let keys = Tensor::truth(Value::new(&[1_u8, 0, 1], &Device::Cpu).unwrap());
        let both = &Mask::keys(&keys).unwrap() & &Mask::causal();
        assert_eq!(sees(&both, 3, 3), ["1..", "1..", "1.1"]);
        assert_eq!(both.describe(), "keys(2 of 3) & causal");
        let pairs = Value::new(&[0_u8, 1, 1, 0], &Device::Cpu).unwrap().reshape((1, 1, 2, 2)).unwrap();
        assert_eq!(sees(&Mask::dense(&Tensor::truth(pairs)).unwrap(), 2, 2), [".1", "1."]);
        assert!(!both.has_gradient());
    }

    /// Golden values derived from the rule of the released code.
    #[test]
    fn slopes_are_those_of_the_paper() {
        assert_eq!(alibi_slopes(4), [0.25, 0.0625, 0.015_625, 0.003_906_25]);
        let twelve = [
            0.5,
            0.25,
            0.125,
            0.0625,
            0.03125,
            0.015625,
            0.0078125,
            0.00390625,
            0.353553 * 2.0,
            0.353553,
            0.176777,
            0.088388,
        ];
        for (found, expected) in alibi_slopes(12).iter().zip(twelve) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(alibi_slopes(12).len(), 12);
        assert!(alibi_slopes(0).is_empty());
    }

    #[test]
    fn masks_of_other_batches_are_refused() {
        let layout = Layout::new(&[2, 3], &[0, 1]).unwrap();
        let keys = Mask::keys(&Tensor::truth(Value::new(&[1_u8, 1], &Device::Cpu).unwrap())).unwrap();
        assert!(keys.check(&layout, &layout, 1).unwrap_err().to_string().contains("2 keys for 5 rows"));
        assert!(Mask::prefix(vec![1]).check(&layout, &layout, 1).is_err());
        assert!(Mask::alibi(alibi_slopes(2)).check(&layout, &layout, 4).is_err());
        let dense =
            Mask::dense(&Tensor::truth(Value::ones((2, 1, 2, 2), candle_core::DType::U8, &Device::Cpu).unwrap()))
                .unwrap();
        assert!(dense.check(&layout, &layout, 1).is_err());
        let one = Layout::new(&[2], &[0]).unwrap();
        assert!(Mask::full().check(&one, &layout, 1).is_err());
        assert!(Mask::keys(&Tensor::constant(Value::new(&[1.0_f32], &Device::Cpu).unwrap())).is_err());
    }
}

//! Losses, elementwise or one number for each row; `Loss::sum_over` adds them up.

use std::panic::Location;

use lacuna_abi::{attribute as key, op};

use super::{AsTensor, Tensor, binary, integer, unary};
use crate::layout::Layout;
use crate::raw::{Attr, HostObject, one};
use crate::weight::Weight;

/// What cross-entropy leaves out and how it smooths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossEntropy {
    /// Targets of this value count for nothing.
    pub ignore: i64,
    /// The share of the target that is spread evenly over all classes (Szegedy et al. 2016, arXiv:1512.00567, section
    /// 7).
    pub smoothing: f64,
}

impl Default for CrossEntropy {
    /// Ignores −100, no smoothing.
    fn default() -> Self {
        Self { ignore: -100, smoothing: 0.0 }
    }
}

impl CrossEntropy {
    fn attributes(self) -> [Attr<'static>; 2] {
        [Attr::Integer(key::IGNORE, self.ignore), Attr::Float(key::SMOOTHING, self.smoothing)]
    }
}

/// How the CTC loss reads transcripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ctc {
    /// The class that says nothing.
    pub blank: usize,
    /// Gives 0 and no gradient, rather than an error, for a segment that has fewer rows than its transcript needs: one for each
    /// label, and one between equal labels.
    pub skip_too_short: bool,
}

impl Tensor {
    /// Of logits `[n, v]` of the rows of `layout`: −ln of the probability of each segment's transcript over all ways to stretch it,
    /// `[b]`. `labels` `[m]` (`u32` or `i64`, never the blank) are the transcripts one after the other, `label_layout` says where
    /// each begins; it may be empty. Graves et al. 2006, "Connectionist Temporal Classification", section 4.
    #[track_caller]
    #[must_use]
    pub fn ctc(&self, layout: &Layout, labels: impl AsTensor, label_layout: &Layout, options: Ctc) -> Self {
        let inputs = [self.object(), layout.object(), labels.object(), label_layout.object()].map(Some);
        let attributes = [
            Attr::Integer(key::BLANK, integer(options.blank)),
            Attr::Integer(key::SKIP, i64::from(options.skip_too_short)),
        ];
        Self::from_object(one(op::CTC, &inputs, &attributes, Location::caller()))
    }

    /// Of logits `[n, v]` with targets `[n]` (`u32` or `i64`, −100 ignored): −ln softmax at the target, `[n]`, 0 where
    /// ignored.
    #[track_caller]
    #[must_use]
    pub fn cross_entropy(&self, targets: impl AsTensor) -> Self {
        binary(op::CROSS_ENTROPY, self, &targets, &CrossEntropy::default().attributes(), Location::caller())
    }

    /// [`Tensor::cross_entropy`] with smoothing or another ignored value.
    #[track_caller]
    #[must_use]
    pub fn cross_entropy_with(&self, targets: impl AsTensor, options: CrossEntropy) -> Self {
        binary(op::CROSS_ENTROPY, self, &targets, &options.attributes(), Location::caller())
    }

    /// Of logits `[n, v]` with target shares `[n, v]`: −Σ share · ln softmax, `[n]`.
    #[track_caller]
    #[must_use]
    pub fn cross_entropy_soft(&self, targets: impl AsTensor) -> Self {
        binary(op::CROSS_ENTROPY_SOFT, self, &targets, &[], Location::caller())
    }

    /// Of hidden `[n, d]`: [`Tensor::cross_entropy`] of `hidden · weight [v, d]ᵀ + bias [v]`, `chunk` rows at a time,
    /// so that the logits never exist as a whole. `[n]`.
    #[track_caller]
    #[must_use]
    pub fn linear_cross_entropy(
        &self,
        weight: impl AsTensor,
        bias: Option<&Weight>,
        targets: impl AsTensor,
        options: CrossEntropy,
        chunk: usize,
    ) -> Self {
        let inputs = [Some(self.object()), Some(weight.object()), bias.map(HostObject::object), Some(targets.object())];
        let [ignore, smoothing] = options.attributes();
        let attributes = [ignore, smoothing, Attr::Integer(key::CHUNK, integer(chunk))];
        Self::from_object(one(op::LINEAR_CROSS_ENTROPY, &inputs, &attributes, Location::caller()))
    }

    /// Of logits with targets in 0..=1: binary cross-entropy, elementwise; `positive_weight` multiplies the positive
    /// term.
    #[track_caller]
    #[must_use]
    pub fn bce_with_logits(&self, targets: impl AsTensor, positive_weight: Option<&Tensor>) -> Self {
        let inputs = [Some(self.object()), Some(targets.object()), positive_weight.map(HostObject::object)];
        Self::from_object(one(op::BCE_WITH_LOGITS, &inputs, &[], Location::caller()))
    }

    /// Of ln p with ln q: q (ln q − ln p), elementwise; summed it is KL(q ‖ p).
    #[track_caller]
    #[must_use]
    pub fn kl_div(&self, log_q: impl AsTensor) -> Self {
        binary(op::KL_DIV, self, &log_q, &[], Location::caller())
    }

    /// (a − b)², elementwise.
    #[track_caller]
    #[must_use]
    pub fn mse(&self, target: impl AsTensor) -> Self {
        binary(op::MSE, self, &target, &[], Location::caller())
    }

    /// |a − b|, elementwise.
    #[track_caller]
    #[must_use]
    pub fn l1(&self, target: impl AsTensor) -> Self {
        binary(op::L1, self, &target, &[], Location::caller())
    }

    /// Squared (halved) up to `delta`, linear beyond, elementwise (Huber 1964).
    #[track_caller]
    #[must_use]
    pub fn huber(&self, target: impl AsTensor, delta: f64) -> Self {
        binary(op::HUBER, self, &target, &[Attr::Float(key::DELTA, delta)], Location::caller())
    }

    /// InfoNCE of rows a `[n, d]` with their partners b `[n, d]` against all others (van den Oord et al. 2018,
    /// arXiv:1807.03748); both ways and averaged where `symmetric`. `[n]`. It couples the samples of a batch: see
    /// [`Couple`](crate::Couple).
    #[track_caller]
    #[must_use]
    pub fn info_nce(&self, partners: impl AsTensor, temperature: f64, symmetric: bool) -> Self {
        let attributes =
            [Attr::Float(key::TEMPERATURE, temperature), Attr::Integer(key::SYMMETRIC, i64::from(symmetric))];
        binary(op::INFO_NCE, self, &partners, &attributes, Location::caller())
    }

    /// The cosine of the angle between both along the last axis.
    #[track_caller]
    #[must_use]
    pub fn cosine_similarity(&self, other: impl AsTensor) -> Self {
        binary(op::COSINE_SIMILARITY, self, &other, &[], Location::caller())
    }

    /// Each vector of the last axis divided by its length, which counts as at least `epsilon`.
    #[track_caller]
    #[must_use]
    pub fn normalized(&self, epsilon: f64) -> Self {
        let at = Location::caller();
        let attributes = [Attr::Integers(key::AXES, &[-1]), Attr::Integer(key::KEEP, 1)];
        let length = unary(op::NORM, self, &attributes, at);
        let bounds = [Attr::Float(key::LOW, epsilon), Attr::Float(key::HIGH, f64::INFINITY)];
        binary(op::DIV, self, &unary(op::CLAMP, &length, &bounds, at), &[], at)
    }
}

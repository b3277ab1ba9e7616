//! Quantisers: from rows to units, and to the vectors that stand for them, with a gradient straight through the choice.
//!
//! Gumbel: Jang et al. 2016, arXiv:1611.01144, section 2.2, as in wav2vec 2.0 (Baevski et al. 2020, arXiv:2006.11477, section 2).
//! Nearest: van den Oord et al. 2017, arXiv:1711.00937, section 3.2. Axes: n rows, d width, g codebooks, v codes of each, e numbers of
//! a code, k = g · e.

use plugin_api::nn::{LayerNorm, Linear, LinearOptions};
use plugin_api::prelude::*;

/// How many codes there are, and how wide they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Codes {
    pub(crate) books: usize,
    pub(crate) codes: usize,
    /// Numbers of all codebooks' codes together; a multiple of `books`.
    pub(crate) width: usize,
}

impl Codes {
    fn shape(self) -> [usize; 3] {
        [self.books, self.codes, self.width / self.books]
    }
}

/// The temperature of Gumbel noise: `start · decay^updates`, at least `end`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Temperature {
    pub(crate) start: f64,
    pub(crate) decay: f64,
    pub(crate) end: f64,
}

/// A quantiser: rows lose their mean over the sound and are normed (weights `norm.{weight,bias}`), then each codebook gives a code.
pub(crate) struct Quantiser {
    norm: LayerNorm,
    codes: Codes,
    table: Weight,
    choice: Choice,
}

/// How a row finds its codes.
enum Choice {
    /// Logits choose; in training with noise.
    Gumbel { logits: Linear, updates: Buffer, temperature: Temperature },
    /// The nearest code is chosen.
    Nearest { projection: Linear },
}

/// Rows and what stands for them.
pub(crate) struct Quantised {
    /// `[n, k]`, the vectors of the chosen codes.
    pub(crate) values_nk: Tensor,
    /// `[n, g]`, the codes that were chosen, in training with noise.
    pub(crate) chosen_ng: Tensor,
    /// `[n, g]`, the likeliest codes: the units.
    pub(crate) units_ng: Tensor,
    /// `[n, g, v]`, how likely each code is.
    pub(crate) shares_ngv: Tensor,
    /// What holds codes to rows and rows to codes, elementwise; `None` where gradients pass the choice by themselves.
    pub(crate) distances: Option<[Tensor; 2]>,
}

impl Quantiser {
    /// By logits. Weights: `logits.{weight,bias}`, `codes` `[g, v, e]`; buffer `updates` `[1]`.
    pub(crate) fn gumbel(scope: &Scope, width: usize, codes: Codes, temperature: Temperature) -> Result<Self> {
        // As in fairseq: logits that are far apart from the beginning, so that rows choose and noise does not.
        let options = LinearOptions::new().init(Init::Normal(1.0));
        let logits = Linear::new(&scope.at("logits"), width, codes.books * codes.codes, &options)?;
        let updates = scope.buffer("updates", &[1], Init::Zeros, DType::F32)?;
        Self::new(scope, width, codes, Choice::Gumbel { logits, updates, temperature }, &WeightOptions::new())
    }

    /// By distance. Weights: `projection.{weight,bias}`, `codes` `[g, v, e]`.
    pub(crate) fn nearest(scope: &Scope, width: usize, codes: Codes) -> Result<Self> {
        let options = LinearOptions::new().init(Init::Normal(1.0 / (width as f64).sqrt()));
        let projection = Linear::new(&scope.at("projection"), width, codes.width, &options)?;
        // Where the contrastive loss weighs nothing, codes have no gradient at all.
        Self::new(scope, width, codes, Choice::Nearest { projection }, &WeightOptions::new().sometimes())
    }

    fn new(scope: &Scope, width: usize, codes: Codes, choice: Choice, options: &WeightOptions) -> Result<Self> {
        let start = match choice {
            Choice::Gumbel { .. } => Init::Uniform(0.5),
            // Like rows, which are normed.
            Choice::Nearest { .. } => Init::Normal(1.0),
        };
        let table = scope.weight_with("codes", &codes.shape(), start, &options.clone().no_decay())?;
        Ok(Self { norm: LayerNorm::new(&scope.at("norm"), width, true, 1e-5)?, codes, table, choice })
    }

    /// Of rows `[n, d]`.
    pub(crate) fn apply(&self, rows_nd: &Tensor, layout: &Layout) -> Result<Quantised> {
        // What all rows of a sound have in common would choose the same code for all of them.
        let common_nd = layout.mean(rows_nd).index_select(0, layout.segments());
        let rows_nd = self.norm.apply(&(rows_nd - common_nd));
        match &self.choice {
            Choice::Gumbel { logits, updates, temperature } => {
                let logits_ngv = by_codebook(&logits.apply(&rows_nd), self.codes);
                self.drawn(&logits_ngv, layout, updates, *temperature)
            }
            Choice::Nearest { projection } => self.nearest_of(&projection.apply(&rows_nd)),
        }
    }

    /// In training the best of logits with Gumbel noise, else the best.
    fn drawn(&self, logits_ngv: &Tensor, layout: &Layout, updates: &Buffer, at: Temperature) -> Result<Quantised> {
        let (codes, dtype) = (self.codes, logits_ngv.dtype()?);
        let (shares_ngv, units_ng) = (logits_ngv.softmax(), logits_ngv.argmax(-1));
        let hard = |chosen_ng: &Tensor| chosen_ng.one_hot(codes.codes).cast(dtype);
        let (choice_ngv, chosen_ng) = if training() {
            let temperature = (updates.tensor() * at.decay.ln()).exp() * at.start;
            let temperature = temperature.clamp(at.end, f64::INFINITY).cast(dtype);
            updates.set(&(updates.tensor() + 1.0))?;
            let noise = random::gumbel(&(layout, codes.books * codes.codes), "gumbel").cast(dtype);
            let soft_ngv = ((logits_ngv + by_codebook(&noise, codes)) / temperature).softmax();
            let chosen_ng = soft_ngv.argmax(-1);
            (hard(&chosen_ng) + (&soft_ngv - soft_ngv.stop_gradient()), chosen_ng)
        } else {
            (hard(&units_ng), units_ng.clone())
        };
        let values_nk = mixed(&choice_ngv, &self.table.tensor().cast(dtype), codes);
        Ok(Quantised { values_nk, chosen_ng, units_ng, shares_ngv, distances: None })
    }

    fn nearest_of(&self, rows_nk: &Tensor) -> Result<Quantised> {
        let (dtype, [books, codes, each]) = (rows_nk.dtype()?, self.codes.shape());
        let table_gve = self.table.tensor().cast(dtype);
        let rows_gne = rows_nk.reshape(&[-1, books as i64, each as i64]).transpose(0, 1).contiguous();
        let products_gnv = rows_gne.matmul(table_gve.transpose(1, 2).contiguous());
        // ‖z‖² is the same for all codes, and a softmax does not see it.
        let nearness_gnv = products_gnv * 2.0 - table_gve.square().sum_axes(&[-1], false).unsqueeze(1);
        let nearness_ngv = nearness_gnv.transpose(0, 1).contiguous();
        let units_ng = nearness_ngv.argmax(-1);
        let codes_nk = mixed(&units_ng.one_hot(codes).cast(dtype), &table_gve, self.codes);
        let distances = [codes_nk.mse(rows_nk.stop_gradient()), rows_nk.mse(codes_nk.stop_gradient())];
        let values_nk = rows_nk + (&codes_nk - rows_nk).stop_gradient();
        let (chosen_ng, shares_ngv) = (units_ng.clone(), nearness_ngv.softmax());
        Ok(Quantised { values_nk, chosen_ng, units_ng, shares_ngv, distances: Some(distances) })
    }
}

/// `[n, g · v]` as `[n, g, v]`.
fn by_codebook(x: &Tensor, codes: Codes) -> Tensor {
    x.reshape(&[-1, codes.books as i64, codes.codes as i64])
}

/// The codes `[g, v, e]` mixed by `[n, g, v]`: `[n, k]`.
fn mixed(choice_ngv: &Tensor, table_gve: &Tensor, codes: Codes) -> Tensor {
    let values_gne = choice_ngv.transpose(0, 1).contiguous().matmul(table_gve);
    values_gne.transpose(0, 1).contiguous().reshape(&[-1, codes.width as i64])
}

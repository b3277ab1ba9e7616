//! Masked diffusion of text: hide any share of the tokens, predict them; write by filling what is all hidden at first.
//!
//! Time-free training and first-hitting sampling of Zheng et al. 2024, arXiv:2409.02908; the 1/t loss, greedy sampling and
//! unsupervised guidance of Nie et al. 2024, arXiv:2410.18514. The objective needs no time: its network sees how much is
//! hidden. What is drawn for a token is drawn in double precision, since coarse uniform numbers starve rare tokens.

mod decoder;
mod evaluator;
pub mod noising;
mod objective;
pub mod sampler;

use plugin_api::prelude::*;

pub use decoder::{DecoderSettings, Denoiser};
pub use evaluator::{Measure, MeasureSettings};
pub use objective::{Mdm, MdmSettings};

export_plugin! {
    name: "mdm",
    provides: [Objective<Mdm>, Collate<Mdm>, Evaluate<Mdm>, Decoder<Denoiser>, Evaluator<Measure>]
}

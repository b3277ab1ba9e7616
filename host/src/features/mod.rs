//! What a model makes of texts, token ids, pictures or sounds: hidden states, logits, pooled embeddings, in a `safetensors` file.
//!
//! Axes: b rows of the input, t positions of the longest row, d width, v vocabulary, c classes. Masked positions never reach the
//! model and come back as zeros in their place; a token's position is its place in the row, padding counted, as in
//! `transformers`, unless the family counts real tokens alone or the row says its own `position_ids`.

mod collected;
mod input;
mod pictures;
mod run;
mod sounds;

pub use input::{Line, Side, read_lines};
pub use pictures::{Pixels, picture_features};
pub use run::{FeatureOptions, Features, features};
pub(crate) use run::{check_output, numbers_of};
pub use sounds::{Sounds, sound_features};

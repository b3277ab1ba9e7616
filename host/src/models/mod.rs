//! Models without a run around them: weights found again in runs, model folders and files, and opened without any corpus.
//!
//! A model folder holds `model.toml` (the family and its settings, flat; below `[vocabulary]` what the model knows of its
//! tokens, below `[pictures]` their size or below `[sounds]` their rate, below `[heads]` the sizes of its heads), `model.safetensors` with bare names (heads begin with their kind:
//! `tokens.…`), `tokenizer.json` where there was one, and `import.json`, which accounts for every key that was imported.
//!
//! A run that keeps averages of its weights hands over these, unless asked not to: they are what it was measured with.

mod facts;
mod folder;
mod opened;
mod reads;
mod stored;
mod tensors;

pub use facts::{Vocabulary, vocabulary_facts};
pub(crate) use facts::{fit_vocabulary, modalities};
pub use folder::{IMPORT_FILE, MODEL_FILE, NewFolder, WEIGHTS_FILE};
pub use opened::{Opened, OpenedHead};
pub use reads::{PictureSize, Reads, SoundSize};
pub use stored::{Pick, Stored};
pub use tensors::{HEAD_KINDS, ModelTensors, head_kind};
pub(crate) use tensors::{below_head, misfit};

//! Hugging Face folders: what a `config.json` means to a family, and what its weights are called there.

mod config;

use serde_json::{Value, json};

use crate::error::Result;
use crate::family::ModelFamily;
pub use config::{HuggingFaceConfig, activation_name};

/// One of several equal parts of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// Along which axis of our tensor.
    pub axis: usize,
    /// Which part, from 0.
    pub part: usize,
    /// Of how many equal parts.
    pub of: usize,
}

/// Another order of axes: theirs has `shape`; ours is theirs with its axes in the order `order`, of which all after the first
/// are joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permuted {
    /// The shape of theirs.
    pub shape: Vec<usize>,
    /// Theirs' axes in our order.
    pub order: Vec<usize>,
}

/// A weight and its name in Hugging Face files.
///
/// ```
/// use plugin_api::prelude::*;
/// // GPT-2 keeps query, key and value in one matrix `[in, 3 · out]`; ours are three of `[out, in]`.
/// let key = HuggingFaceName::new("encoder.layer.0.attention.self.key.weight", "transformer.h.0.attn.c_attn.weight");
/// let key = key.transposed().part(0, 1, 3);
/// // Llama's two matrices of a gated MLP are one of ours.
/// let up = HuggingFaceName::new("encoder.layer.0.intermediate.dense.weight", "model.layers.0.mlp.up_proj.weight");
/// let up = up.fills(0, 1, 2);
/// # assert!(key.split.is_some() && up.fills.is_some());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HuggingFaceName {
    /// The name below the model's scope; weights of a head begin with its kind: `tokens.cls.predictions.bias`.
    pub own: String,
    /// Their name, with [`HuggingFaceTable::prefix`] where it has it.
    pub theirs: String,
    /// Whether theirs is transposed.
    pub transpose: bool,
    /// Where theirs, turned our way round, holds several of ours: the part that is this one.
    pub split: Option<Split>,
    /// Where ours holds several of theirs: the part of ours that theirs is, once turned our way round.
    pub fills: Option<Split>,
    /// Where theirs has other axes, in another order.
    pub permuted: Option<Permuted>,
}

impl HuggingFaceName {
    /// The same tensor under another name.
    #[must_use]
    pub fn new(own: impl Into<String>, theirs: impl Into<String>) -> Self {
        Self { own: own.into(), theirs: theirs.into(), transpose: false, split: None, fills: None, permuted: None }
    }

    /// Theirs is transposed.
    #[must_use]
    pub fn transposed(mut self) -> Self {
        self.transpose = true;
        self
    }

    /// Ours is a part of theirs: of theirs, turned our way round and cut along `axis` into `of` equal parts, number `part`. Every
    /// part needs a row.
    #[must_use]
    pub fn part(mut self, axis: usize, part: usize, of: usize) -> Self {
        self.split = Some(Split { axis, part, of });
        self
    }

    /// Theirs has `shape`; ours is the matrix of theirs with its axes in the order `order`, of which all after the first are
    /// joined. The kernel `[width, channels, p, p]` of a convolution over patches that go row, column, channel is
    /// `.permuted(&[width, channels, p, p], &[0, 2, 3, 1])`.
    #[must_use]
    pub fn permuted(mut self, shape: &[usize], order: &[usize]) -> Self {
        self.permuted = Some(Permuted { shape: shape.to_vec(), order: order.to_vec() });
        self
    }

    /// Theirs is a part of ours: of ours, cut along `axis` into `of` equal parts, number `part` is theirs, turned our way
    /// round. Every part needs a row.
    #[must_use]
    pub fn fills(mut self, axis: usize, part: usize, of: usize) -> Self {
        self.fills = Some(Split { axis, part, of });
        self
    }
}

/// All about the names of the weights in Hugging Face files.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HuggingFaceTable {
    /// What the names of the bare model begin with in files of a model with a head, and lack in its own: `bert.`.
    pub prefix: String,
    /// Rows for every weight of the model, and for those of heads that the published architecture has: these may be absent in
    /// a file. Several rows for one weight (the same own name and part) are alternatives: a file has one of them; the first is
    /// what an export writes.
    pub names: Vec<HuggingFaceName>,
    /// (theirs, of theirs): the first is a copy of the second (a tied `lm_head`). It may be absent; where it is there it must be
    /// equal.
    pub copies: Vec<(String, String)>,
    /// (theirs, shape): weights that their architecture has and this instance has not, since it computes as if they were zero: an
    /// export writes zeros.
    pub zeros: Vec<(String, Vec<usize>)>,
    /// (theirs, of theirs): weights that their files hold and nobody computes with: whatever an import finds there, an export writes
    /// a copy of the second.
    pub unused: Vec<(String, String)>,
    /// (theirs, shape, values): weights that their architecture has and that never change, so that ours computes them: an export
    /// writes them, an import holds the file against them.
    pub constants: Vec<(String, Vec<usize>, Vec<f32>)>,
    /// Keys that are no weights (`*.position_ids`, masks, rotary frequencies); `*` stands for anything.
    pub ignored: Vec<String>,
}

impl HuggingFaceTable {
    /// A table without copies and without ignored keys.
    #[must_use]
    pub fn new(prefix: impl Into<String>, names: Vec<HuggingFaceName>) -> Self {
        Self { prefix: prefix.into(), names, ..Self::default() }
    }

    /// `theirs` is a copy of `of`.
    #[must_use]
    pub fn copy(mut self, theirs: impl Into<String>, of: impl Into<String>) -> Self {
        self.copies.push((theirs.into(), of.into()));
        self
    }

    /// Theirs is all zeros and ours is not there.
    #[must_use]
    pub fn zero(mut self, theirs: impl Into<String>, shape: &[usize]) -> Self {
        self.zeros.push((theirs.into(), shape.to_vec()));
        self
    }

    /// `theirs` is there and not computed with; an export writes what `of` holds.
    #[must_use]
    pub fn unused(mut self, theirs: impl Into<String>, of: impl Into<String>) -> Self {
        self.unused.push((theirs.into(), of.into()));
        self
    }

    /// Theirs always has these values and ours is not there.
    #[must_use]
    pub fn constant(mut self, theirs: impl Into<String>, shape: &[usize], values: Vec<f32>) -> Self {
        self.constants.push((theirs.into(), shape.to_vec(), values));
        self
    }

    /// Keys that are no weights.
    #[must_use]
    pub fn ignore(mut self, glob: impl Into<String>) -> Self {
        self.ignored.push(glob.into());
        self
    }

    pub(crate) fn to_json(&self) -> String {
        let split =
            |split: Option<Split>| split.map(|split| json!({ "axis": split.axis, "part": split.part, "of": split.of }));
        let rows = self.names.iter().map(|row| {
            json!({
                "own": row.own,
                "theirs": row.theirs,
                "transpose": row.transpose,
                "split": split(row.split),
                "fills": split(row.fills),
                "permuted": row.permuted.as_ref().map(|to| json!({ "shape": to.shape, "order": to.order })),
            })
        });
        json!({
            "prefix": self.prefix,
            "names": rows.collect::<Vec<_>>(),
            "copies": self.copies,
            "zeros": self.zeros,
            "unused": self.unused,
            "constants": self.constants,
            "ignored": self.ignored,
        })
        .to_string()
    }
}

/// Reading and writing Hugging Face folders.
pub trait HuggingFace: ModelFamily {
    /// The settings of `[model.ROLE]` (a JSON object) for a `config.json`; `None` where this family does not know the
    /// architecture (`model_type`). `vocab_size` is no setting: the host gives it to [`Scope`](crate::Scope) as the size of the
    /// vocabulary; of models of pictures (those with `image_size`) it gives `image_size` and `num_channels` as the size of
    /// the pictures.
    ///
    /// # Errors
    /// When it knows the architecture but not what the file asks of it.
    fn settings_of(config: &Value) -> Result<Option<Value>>;

    /// The `config.json` of this instance, with `model_type` and `architectures`.
    ///
    /// The key `architectures_by_head` may map the kind of a head (`tokens`, `classes`, `scalar`, `values`) and `none` to the name of the
    /// architecture with that head: the host takes it out and sets `architectures` by the head that there is. The host also
    /// fills in `vocab_size` and the ids of special tokens where they are left out.
    ///
    /// # Errors
    /// When no published architecture has these settings.
    fn config(&self) -> Result<Value>;

    /// All about the names of the weights of this instance.
    fn table(&self) -> HuggingFaceTable;
}

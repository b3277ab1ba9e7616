//! One vector for a text or a picture: a layer of a frozen model and how its rows become one.
//!
//! Called from [`Evaluator::measure`](crate::Evaluator::measure). What the model reads, it says itself: `modality` in its
//! description, text where it says nothing.

use serde_json::Value;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::model::{Model, Pass};
use crate::scope::Scope;
use crate::tensor::Tensor;

/// The rows of a sample that stand for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pooling {
    First,
    Mean,
    Last,
}

/// What the model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Text,
    /// Pictures of so many rows, the class token's before those of the patches where there is one.
    Image {
        rows: usize,
        class_rows: usize,
    },
}

/// A model as a source of one vector for each sample.
pub struct Features {
    model: Model,
    input: Input,
    layer: Option<usize>,
    pooling: Pooling,
}

impl Features {
    /// Names of the ways to pool, for the choices of a setting. The mean over a picture is that over its patches.
    pub const POOLING: [&'static str; 3] = ["first", "mean", "last"];

    /// Of the model of `role`: `layer` 0 is the embeddings, k the output of block k; `None` what the model gives at its end.
    ///
    /// # Errors
    /// When there is no such model or layer, the model reads neither text nor pictures, or it has no first row that stands for a
    /// picture.
    pub fn new(scope: &Scope, role: &str, layer: Option<usize>, pooling: &str) -> Result<Self> {
        let model = scope.model(role)?;
        let described = model.describe()?;
        let layers = described.num_layers;
        if let Some(layer) = layer.filter(|layer| *layer > layers) {
            return Err(Error::setting("layer", format!("is {layer}, the model has {layers} layers"))
                .help(format!("choose 0 (the embeddings) to {layers}, or leave it out for the end of the model")));
        }
        let pooling = match pooling {
            "first" => Pooling::First,
            "last" => Pooling::Last,
            _ => Pooling::Mean,
        };
        let rows = described.get("rows").and_then(Value::as_u64).and_then(|rows| usize::try_from(rows).ok());
        let input = match (described.get("modality").and_then(Value::as_str), rows) {
            (None | Some("text"), _) => Input::Text,
            (Some("image"), Some(rows)) => {
                let class_token = described.get("class_token").and_then(Value::as_bool) == Some(true);
                Input::Image { rows, class_rows: usize::from(class_token) }
            }
            (Some(other), _) => {
                let text = format!("the model of the role `{role}` reads `{other}` and does not say how many rows");
                return Err(Error::unsupported(text).help("choose a family for text or for pictures"));
            }
        };
        if pooling == Pooling::First && matches!(input, Input::Image { class_rows: 0, .. }) {
            return Err(Error::setting("pooling", "is `first`, and the model has no class token")
                .help("choose `mean`, the mean over the patches"));
        }
        Ok(Self { model, input, layer, pooling })
    }

    /// What the model reads: `text` or `image`.
    #[must_use]
    pub fn modality(&self) -> &'static str {
        match self.input {
            Input::Text => "text",
            Input::Image { .. } => "image",
        }
    }

    /// `[b, d]` of the samples of a batch: of `text.tokens`, or of `image.pixels`.
    ///
    /// # Errors
    /// When the batch lacks them, or the model fails.
    pub fn apply(&self, batch: &Batch) -> Result<Tensor> {
        match self.input {
            Input::Text => self.of_tokens(&batch.tensor("text.tokens")?, &batch.layout("text")?),
            Input::Image { rows, class_rows } => {
                let pixels_bchw = batch.tensor("image.pixels")?;
                let pictures = pixels_bchw.dim(0)?;
                let layout = Layout::new(&Tensor::new(&vec![rows as u32; pictures], &[pictures]));
                let pass = self.model.pass(&layout).workflow("image").input("pixels", &pixels_bchw);
                let hidden_nd = self.hidden(pass)?;
                if self.pooling != Pooling::Mean {
                    return Ok(self.pooled(&hidden_nd, &layout));
                }
                let hidden_btd = hidden_nd.reshape(&[pictures as i64, rows as i64, hidden_nd.dim(-1)? as i64]);
                Ok(hidden_btd.narrow(1, class_rows, rows - class_rows).mean_axes(&[1], false))
            }
        }
    }

    /// `[b, d]` of texts in plain memory.
    ///
    /// # Errors
    /// When the model fails.
    pub fn of_texts(&self, texts: &[Vec<u32>]) -> Result<Tensor> {
        let lengths: Vec<u32> = texts.iter().map(|text| text.len() as u32).collect();
        let tokens = texts.concat();
        let layout = Layout::new(&Tensor::new(&lengths, &[lengths.len()]));
        self.of_tokens(&Tensor::new(&tokens, &[tokens.len()]), &layout)
    }

    fn of_tokens(&self, tokens_n: &Tensor, layout: &Layout) -> Result<Tensor> {
        Ok(self.pooled(&self.hidden(self.model.pass(layout).tokens(tokens_n))?, layout))
    }

    /// The rows `[n, d]` of the layer.
    fn hidden(&self, pass: Pass<'_>) -> Result<Tensor> {
        let Some(layer) = self.layer else { return Ok(pass.run()?.hidden().clone()) };
        let name = layer.checked_sub(1).map_or("embeddings".to_owned(), |block| format!("layers.{block}.output"));
        Ok(pass.want(&name).run()?.get(&name)?.clone())
    }

    fn pooled(&self, hidden_nd: &Tensor, layout: &Layout) -> Tensor {
        match self.pooling {
            Pooling::Mean => layout.mean(hidden_nd),
            Pooling::First => hidden_nd.index_select(0, layout.first_rows()),
            Pooling::Last => hidden_nd.index_select(0, layout.last_rows()),
        }
    }
}

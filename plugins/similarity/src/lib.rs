//! Semantic similarity: the cosine of two sentences' embeddings, against how alike people find them.
//!
//! Cer et al. 2017, arXiv:1708.00055, section 3, by correlation; pooled features without any training as in Reimers and Gurevych
//! 2019, arXiv:1908.10084, section 4.1. Each sentence goes through the model by itself.

use plugin_api::features::Features;
use plugin_api::metrics;
use plugin_api::prelude::*;
use plugin_api::scoring::{enclosed, pair, split, texts_of};

/// The `[evaluator]` section of an experiment file.
#[derive(Settings)]
pub struct SimilaritySettings {
    /// The role of the model.
    #[setting(default = "encoder")]
    role: String,
    /// The layer whose features are read: 0 the embeddings, k the output of block k. Left out: the end of the model.
    layer: Option<usize>,
    /// The rows that stand for a sentence.
    #[setting(default = "mean", choices = ["first", "mean", "last"])]
    pooling: String,
}

/// The evaluator.
pub struct Similarity {
    features: Features,
    vocabulary: Vocabulary,
}

impl Evaluator for Similarity {
    type Settings = SimilaritySettings;

    fn new(settings: SimilaritySettings, scope: &Scope) -> Result<Self> {
        let features = Features::new(scope, &settings.role, settings.layer, &settings.pooling)?;
        Ok(Self { features, vocabulary: scope.vocabulary("text")? })
    }

    fn measure(&self, batch: &Batch) -> Result<Loss> {
        let types = batch.get("text.types")?.ok_or_else(|| {
            Error::data("the data has no pairs of sentences")
                .help("name the column of the second: `second_field` in [data.text]")
        })?;
        let types = split(&types.to_vec::<u32>()?, &batch.layout("text")?)?;
        let mut sentences: [Vec<Vec<u32>>; 2] = [Vec::new(), Vec::new()];
        for (tokens, types) in texts_of(batch)?.iter().zip(&types) {
            for (list, text) in sentences.iter_mut().zip(pair(tokens, types, &self.vocabulary)) {
                let text = enclosed(&text, &self.vocabulary);
                if text.is_empty() {
                    return Err(
                        Error::data("a sentence of a pair has no tokens").help("leave such pairs out of the file")
                    );
                }
                list.push(text);
            }
        }
        let [first, second] = &sentences;
        let cosine_b = self.features.of_texts(first)?.cosine_similarity(self.features.of_texts(second)?);
        Ok(Loss::new().item("cosine", &cosine_b).item("score", &batch.tensor("text.score")?))
    }

    fn figures(&self, _: Option<&Items>, held_out: &Items) -> Result<Vec<(String, f64)>> {
        let (cosines, scores) = (held_out.numbers("cosine")?, held_out.numbers("score")?);
        Ok(vec![
            ("spearman".to_owned(), metrics::spearman(cosines, scores)),
            ("pearson".to_owned(), metrics::pearson(cosines, scores)),
            ("mean_cosine".to_owned(), metrics::mean(cosines)),
        ])
    }
}

export_plugin! { name: "similarity", provides: [Evaluator<Similarity>] }

//! What a model knows of its tokens, and whether a tokenizer fits it.

use std::collections::BTreeMap;
use std::path::Path;

use experiment::Experiment;
use serde_json::{Value as Json, json};

use super::stored;
use crate::data::RunData;
use crate::error::{Error, Result};

/// The vocabulary of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// Rows of its embedding.
    pub size: u32,
    /// Entries of its tokenizer, where one is known; published models often have a few more rows than these.
    pub tokens: Option<u32>,
    /// Fills what is no text.
    pub pad: Option<u32>,
    /// Begins a text.
    pub begin: Option<u32>,
    /// Ends a text.
    pub end: Option<u32>,
    /// Stands for a token to be predicted.
    pub mask: Option<u32>,
    /// Stands for text that no token covers.
    pub unknown: Option<u32>,
    /// All ids that are no text, ascending.
    pub special: Vec<u32>,
}

impl Vocabulary {
    /// From what plugins are told of text; `None` for something else.
    #[must_use]
    pub fn from_json(facts: &str) -> Option<Self> {
        let facts: Json = serde_json::from_str(facts).ok()?;
        let id = |value: &Json| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let token = |name: &str| facts.get(name).and_then(id);
        Some(Self {
            size: token("size")?,
            tokens: token("tokens"),
            pad: token("pad"),
            begin: token("begin"),
            end: token("end"),
            mask: token("mask"),
            unknown: token("unknown"),
            special: facts.get("special").and_then(Json::as_array).into_iter().flatten().filter_map(id).collect(),
        })
    }

    /// As plugins are told.
    #[must_use]
    pub fn to_json(&self) -> Json {
        json!({
            "size": self.size,
            "tokens": self.tokens,
            "pad": self.pad,
            "begin": self.begin,
            "end": self.end,
            "mask": self.mask,
            "unknown": self.unknown,
            "special": self.special,
        })
    }
}

/// What plugins are told of a tokenizer, for a model with `size` rows where that is not the tokenizer's own size.
#[must_use]
pub fn vocabulary_facts(vocabulary: &modality_text::Vocabulary, size: Option<u32>) -> Json {
    Vocabulary {
        size: size.unwrap_or(vocabulary.size),
        tokens: Some(vocabulary.size),
        pad: vocabulary.pad,
        begin: vocabulary.begin,
        end: vocabulary.end,
        mask: vocabulary.mask,
        unknown: vocabulary.unknown,
        special: vocabulary.special.clone(),
    }
    .to_json()
}

/// What plugins were told, for a run's record: whoever opens the model later has no corpus to find it out from.
pub(crate) fn modalities(facts: &BTreeMap<String, String>) -> Json {
    let told = facts.iter().map(|(name, facts)| (name.clone(), serde_json::from_str(facts).unwrap_or_default()));
    Json::Object(told.collect())
}

/// The facts of a run's data, with a vocabulary as large as that of the models that its weights come from.
///
/// # Errors
/// When the tokenizer of the run is not of the size that such a model was made for.
pub(crate) fn fit_vocabulary(experiment: &Experiment, data: &RunData) -> Result<BTreeMap<String, String>> {
    let mut facts = data.facts.clone();
    let (Some(text), Some(Ok(mut told))) =
        (&data.text, facts.get("text").map(|facts| serde_json::from_str::<Json>(facts)))
    else {
        return Ok(facts);
    };
    let tokens = text.vocabulary().size;
    let mut size = tokens;
    for model in &experiment.models {
        let Some(place) = &model.weights else { continue };
        let Some(vocabulary) = stored::vocabulary_of(place)? else { continue };
        check_size(tokens, &vocabulary, place, &model.role)?;
        size = size.max(vocabulary.size);
    }
    told["size"] = json!(size);
    told["tokens"] = json!(tokens);
    facts.insert("text".to_owned(), told.to_string());
    Ok(facts)
}

fn check_size(tokens: u32, vocabulary: &Vocabulary, place: &Path, role: &str) -> Result<()> {
    let made_for = vocabulary.tokens.unwrap_or(vocabulary.size);
    if tokens == made_for || vocabulary.tokens.is_none() && tokens < made_for {
        return Ok(());
    }
    let text = format!(
        "the tokenizer has {tokens} tokens, the weights of the role `{role}`, `{}`, were made for {made_for}",
        place.display()
    );
    let folder = if place.is_dir() { place.display().to_string() } else { "DIR".into() };
    Err(Error::new("data/tokenizer", text)
        .with_help(format!("take the tokenizer of the weights: `data.text.tokenizer=\"{folder}\"`")))
}

//! What an imported model reads: pictures of a size, waves, or tokens, whose tokenizer is held against configuration and weights.

use modality_text::Tokenizer;
use serde_json::Value as Json;

use super::files::HfFolder;
use crate::error::{Error, Result};
use crate::models::{PictureSize, Reads, SoundSize, Vocabulary};

/// What the model of a folder reads, and its tokenizer, if it has one. A model with `image_size` reads pictures, one
/// with `conv_stride` waves.
///
/// # Errors
/// As [`tokens`], or when the size of pictures or the strides are none.
pub(super) fn what_it_reads(folder: &HfFolder) -> Result<(Option<Tokenizer>, Reads)> {
    let config = &folder.config;
    if let Some(strides) = config.get("conv_stride").filter(|strides| !strides.is_null()) {
        return Ok((None, Reads::Sounds(waves(folder, strides)?)));
    }
    let Some(size) = config.get("image_size").filter(|size| !size.is_null()) else {
        let (tokenizer, vocabulary) = tokens(folder)?;
        return Ok((tokenizer, Reads::Text(vocabulary)));
    };
    let number =
        |value: &Json| value.as_u64().and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0);
    let sides = match size {
        Json::Array(sides) => match sides.as_slice() {
            [height, width] => number(height).zip(number(width)),
            _ => None,
        },
        side => number(side).map(|side| (side, side)),
    };
    let channels = config.get("num_channels").filter(|channels| !channels.is_null()).map_or(Some(3), number);
    let (Some((height, width)), Some(channels)) = (sides, channels) else {
        let place = folder.path.join("config.json").display().to_string();
        let text = "`image_size` and `num_channels` name no size of pictures";
        return Err(Error::new("data/config", text)
            .at(place, 0)
            .with_help("give a side, or height and width, in pixels"));
    };
    Ok((None, Reads::Pictures(PictureSize { height, width, channels })))
}

/// The waves that a model with these strides hears; `preprocessor_config.json` tells rate and normalisation where it is there.
fn waves(folder: &HfFolder, strides: &Json) -> Result<SoundSize> {
    let numbers = strides.as_array().and_then(|all| all.iter().map(Json::as_u64).collect::<Option<Vec<_>>>());
    let hop = numbers.filter(|all| !all.is_empty()).and_then(|all| all.into_iter().try_fold(1, u64::checked_mul));
    let Some(hop) = hop.and_then(|hop| usize::try_from(hop).ok()).filter(|hop| *hop > 0) else {
        let place = folder.path.join("config.json").display().to_string();
        let text = format!("`conv_stride` is {strides}, which are no steps of convolutions");
        return Err(Error::new("data/config", text).at(place, 0).with_help("give a list of whole numbers from 1"));
    };
    let said = std::fs::read(folder.path.join("preprocessor_config.json")).ok();
    let said: Json = said.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let rate = said["sampling_rate"].as_u64().and_then(|rate| usize::try_from(rate).ok()).unwrap_or(16_000);
    Ok(SoundSize { bins: 1, frames_per_unit: hop, rate, normalise: said["do_normalize"] != false })
}

/// The tokenizer of a folder, if it has one, and the vocabulary of its model.
///
/// # Errors
/// When the tokenizer is damaged or has more tokens than the model, or the configuration has no `vocab_size`.
fn tokens(folder: &HfFolder) -> Result<(Option<Tokenizer>, Vocabulary)> {
    let config = &folder.config;
    let place = folder.path.join("config.json");
    let size = config.get("vocab_size").and_then(Json::as_u64).and_then(|size| u32::try_from(size).ok());
    let size = size.filter(|size| *size > 0).ok_or_else(|| {
        Error::new("data/config", format!("`{}` has no `vocab_size`", place.display()))
            .with_help("models of text are imported; this one names no size of its vocabulary")
    })?;
    let tokenizer = Tokenizer::of_folder(&folder.path)?;
    let id = |keys: &[&str]| {
        let number = |value: &Json| value.as_u64().and_then(|id| u32::try_from(id).ok()).filter(|id| *id < size);
        // A list of end tokens: the first.
        let first =
            |value: &Json| value.as_array().and_then(|ids| ids.first().cloned()).unwrap_or_else(|| value.clone());
        keys.iter().find_map(|key| number(&first(config.get(*key)?)))
    };
    let mut vocabulary = Vocabulary {
        size,
        tokens: None,
        pad: id(&["pad_token_id"]),
        begin: id(&["cls_token_id", "bos_token_id"]),
        end: id(&["sep_token_id", "eos_token_id"]),
        mask: id(&["mask_token_id"]),
        unknown: None,
        special: Vec::new(),
    };
    if let Some(tokenizer) = &tokenizer {
        let own = tokenizer.vocabulary();
        if own.size > size {
            let text = format!(
                "the tokenizer in `{}` has {} tokens, the weights have rows for {size} (`vocab_size` in config.json)",
                folder.path.display(),
                own.size
            );
            return Err(Error::new("data/tokenizer", text)
                .with_help("tokenizer and weights must be of one model; nothing was written"));
        }
        vocabulary.tokens = Some(own.size);
        vocabulary.pad = own.pad.or(vocabulary.pad);
        // What the tokenizer does not put around a text is nothing that begins or ends it.
        vocabulary.begin = own.begin;
        vocabulary.end = own.end;
        vocabulary.mask = own.mask.or(vocabulary.mask);
        vocabulary.unknown = own.unknown;
        vocabulary.special.clone_from(&own.special);
    }
    let known = [vocabulary.pad, vocabulary.begin, vocabulary.end, vocabulary.mask, vocabulary.unknown];
    vocabulary.special.extend(known.into_iter().flatten());
    vocabulary.special.sort_unstable();
    vocabulary.special.dedup();
    Ok((tokenizer, vocabulary))
}

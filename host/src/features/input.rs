//! The input of `lacuna features`: texts line by line, or token ids with masks.

use std::path::Path;

use modality_text::Tokenizer;
use serde::Deserialize;

use crate::error::{Error, Result};

/// Tokens of a row that the model sees, and where in the row they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Side {
    /// Token ids.
    pub ids: Vec<u32>,
    /// The place of each in the row, ascending.
    pub places: Vec<usize>,
    /// Positions of the row, masked ones included.
    pub length: usize,
    /// The segment type of each token, where the row says them.
    pub types: Option<Vec<u32>>,
    /// The position of each token, where the row says them.
    pub positions: Option<Vec<u32>>,
}

/// One row of the input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// What is read.
    pub tokens: Side,
    /// What the decoder of an encoder–decoder begins with.
    pub decoder: Option<Side>,
}

/// A line of jsonl.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    text: Option<String>,
    input_ids: Option<Vec<u32>>,
    attention_mask: Option<Vec<u8>>,
    token_type_ids: Option<Vec<u32>>,
    position_ids: Option<Vec<u32>>,
    decoder_input_ids: Option<Vec<u32>>,
    decoder_attention_mask: Option<Vec<u8>>,
}

/// What ids and lengths are held against.
pub(super) struct Bounds {
    /// Ids are below this.
    pub(super) vocabulary: u32,
    /// Texts are cut to so many tokens.
    pub(super) cut: Option<usize>,
}

/// Reads a file: `.jsonl` holds token ids (or `{"text": …}`), anything else a text in each line.
///
/// # Errors
/// When the file is empty or not UTF-8, or a line is wrong; the error names file and line.
pub fn read_lines(
    file: &Path,
    tokenizer: &dyn Fn() -> Result<Tokenizer>,
    vocabulary: u32,
    cut: Option<usize>,
) -> Result<Vec<Line>> {
    let bounds = Bounds { vocabulary, cut };
    let bytes = std::fs::read(file).map_err(|error| Error::file(file, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        fault(file, line, &format!("byte {valid} of the file is not UTF-8"))
            .with_help("convert the file, for example with `iconv -t UTF-8`")
    })?;
    let is_jsonl = file.extension().is_some_and(|extension| extension == "jsonl" || extension == "json");
    let mut rows = Vec::new();
    let mut loaded: Option<Tokenizer> = None;
    let mut encode = |text: &str, cut: Option<usize>| -> Result<Side> {
        if loaded.is_none() {
            loaded = Some(tokenizer()?);
        }
        let mut ids = match &loaded {
            Some(tokenizer) => tokenizer.encode_with_special(text)?,
            None => Vec::new(),
        };
        ids.truncate(cut.unwrap_or(usize::MAX));
        Ok(Side { places: (0..ids.len()).collect(), length: ids.len(), ids, ..Side::default() })
    };
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        if is_jsonl {
            if !line.trim().is_empty() {
                rows.push(row(file, number, line, &bounds, &mut encode)?);
            }
        } else {
            let tokens = encode(line, bounds.cut)?;
            check_ids(file, number, &tokens.ids, bounds.vocabulary)?;
            rows.push(Line { tokens, decoder: None });
        }
    }
    if rows.is_empty() {
        return Err(Error::new("data/input", format!("`{}` is empty", file.display()))
            .with_help("give a text in each line, or `.jsonl` lines like {\"input_ids\": [5, 17, 30]}"));
    }
    let with_decoder = rows.iter().filter(|row| row.decoder.is_some()).count();
    if with_decoder != 0 && with_decoder != rows.len() {
        let first = rows.iter().position(|row| row.decoder.is_none()).unwrap_or(0) + 1;
        let text = format!("row {first} has no `decoder_input_ids`, others have");
        return Err(Error::new("data/input", text).at(file.display().to_string(), 0));
    }
    Ok(rows)
}

type Encode<'a> = &'a mut dyn FnMut(&str, Option<usize>) -> Result<Side>;

fn row(file: &Path, number: usize, line: &str, bounds: &Bounds, encode: Encode<'_>) -> Result<Line> {
    let written: Written = serde_json::from_str(line).map_err(|error| {
        fault(file, number, &format!("is no row: {error}"))
            .with_help("a line is {\"input_ids\": [5, 17, 30], \"attention_mask\": [1, 1, 1]} or {\"text\": \"…\"}")
    })?;
    let tokens = match (written.input_ids, written.text) {
        (Some(ids), None) => {
            let mask = written.attention_mask.as_deref();
            side(file, number, ids, mask, written.token_type_ids, written.position_ids, bounds)?
        }
        (None, Some(text)) => {
            let tokens = encode(&text, bounds.cut)?;
            check_ids(file, number, &tokens.ids, bounds.vocabulary)?;
            tokens
        }
        _ => return Err(fault(file, number, "needs either `input_ids` or `text`")),
    };
    let mask = written.decoder_attention_mask.as_deref();
    let decoder = written.decoder_input_ids.map(|ids| side(file, number, ids, mask, None, None, bounds));
    Ok(Line { tokens, decoder: decoder.transpose()? })
}

fn side(
    file: &Path,
    number: usize,
    ids: Vec<u32>,
    mask: Option<&[u8]>,
    types: Option<Vec<u32>>,
    positions: Option<Vec<u32>>,
    bounds: &Bounds,
) -> Result<Side> {
    let length = ids.len();
    let lengths = [
        ("attention_mask", mask.map(<[u8]>::len)),
        ("token_type_ids", types.as_ref().map(Vec::len)),
        ("position_ids", positions.as_ref().map(Vec::len)),
    ];
    if let Some((name, Some(other))) = lengths.into_iter().find(|(_, other)| other.is_some_and(|other| other != length))
    {
        return Err(fault(file, number, &format!("has {length} ids and {other} entries of `{name}`")));
    }
    if let Some(value) = mask.into_iter().flatten().find(|value| **value > 1) {
        return Err(fault(file, number, &format!("has {value} in its mask, which holds 0 and 1")));
    }
    check_ids(file, number, &ids, bounds.vocabulary)?;
    let places: Vec<usize> = (0..length).filter(|place| mask.is_none_or(|mask| mask[*place] == 1)).collect();
    let kept = |values: &[u32]| places.iter().map(|place| values[*place]).collect::<Vec<u32>>();
    Ok(Side {
        ids: kept(&ids),
        types: types.as_deref().map(kept),
        positions: positions.as_deref().map(kept),
        places: places.clone(),
        length,
    })
}

fn check_ids(file: &Path, number: usize, ids: &[u32], vocabulary: u32) -> Result<()> {
    match ids.iter().find(|id| **id >= vocabulary) {
        Some(id) => {
            Err(fault(file, number, &format!("has the token {id}, the model's vocabulary ends at {}", vocabulary - 1)))
        }
        None => Ok(()),
    }
}

fn fault(file: &Path, line: usize, what: &str) -> Error {
    let text = format!("`{}`, line {line}, {what}", file.display());
    Error::new("data/input", text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn read(name: &str, content: &[u8]) -> Result<Vec<Line>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        read_lines(&file, &|| Ok(Tokenizer::bytes()), 300, None)
    }

    #[test]
    fn masked_positions_are_left_out_and_their_places_kept() {
        let rows = read("x.jsonl", br#"{"input_ids": [0, 0, 5, 6, 0], "attention_mask": [0, 0, 1, 1, 0]}"#).unwrap();
        assert_eq!(
            (&rows[0].tokens.ids[..], &rows[0].tokens.places[..], rows[0].tokens.length),
            (&[5, 6][..], &[2, 3][..], 5)
        );
        let rows = read("x.txt", b"ab\n\nc\n").unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0].tokens.ids, [257, 97, 98, 258]);
    }

    #[test]
    fn wrong_input_is_told_with_file_and_line() {
        for (name, content, expected) in [
            ("x.txt", &b""[..], "is empty"),
            ("x.txt", b"fine\n\xff\n", "line 2, byte 5 of the file is not UTF-8"),
            ("x.jsonl", b"{\"input_ids\": [1]}\n{\"input_ids\": [300]}\n", "line 2, has the token 300"),
            ("x.jsonl", b"{\"input_ids\": [1, 2], \"attention_mask\": [1]}", "2 ids and 1 entries of `attention_mask`"),
            ("x.jsonl", b"{\"input_ids\": [1], \"attention_mask\": [2]}", "2 in its mask"),
            ("x.jsonl", b"{\"ids\": [1]}", "line 1, is no row"),
            ("x.jsonl", b"{}", "needs either"),
            ("x.jsonl", b"{\"input_ids\": [1], \"decoder_input_ids\": [1]}\n{\"input_ids\": [1]}", "row 2 has no"),
        ] {
            let error = read(name, content).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

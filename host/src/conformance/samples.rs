//! Text for conformance: a few samples of bytes, the same in every run.

use std::collections::BTreeMap;

use serde_json::json;

use crate::boundary::{ColumnData, Sample};

const BEGIN: u32 = 257;
const END: u32 = 258;
const SPECIAL: [u32; 4] = [256, BEGIN, END, 259];

/// Sentences of different lengths, so that no check passes because all samples are alike.
const SENTENCES: [&str; 6] = [
    "the tide took the lower road",
    "a bell",
    "she counted the lamps twice",
    "no rain",
    "ten boats went out",
    "salt on the door",
];

/// The vocabulary as an objective reads it: 256 bytes and four special tokens.
pub(super) fn vocabulary() -> String {
    json!({ "size": 260, "pad": 256, "begin": BEGIN, "end": END, "mask": 259, "unknown": null, "special": SPECIAL })
        .to_string()
}

/// A sample by its number, without its place in a batch.
#[derive(Debug, Clone)]
pub(super) struct Text {
    id: u64,
    tokens: Vec<u32>,
}

impl Text {
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The sample as plugins read it, its first token in row `first_row`.
    pub(super) fn sample(&self, first_row: usize) -> Sample {
        let special: Vec<bool> = self.tokens.iter().map(|token| SPECIAL.contains(token)).collect();
        let starts = |place: usize| {
            !special[place] && (place == 0 || special[place - 1] || self.tokens[place - 1] == u32::from(b' '))
        };
        let truths = |values: Vec<bool>| ColumnData::Bool(values.into_iter().map(u8::from).collect());
        Sample {
            id: self.id,
            columns: BTreeMap::from([
                ("text.word_starts".to_owned(), truths((0..special.len()).map(starts).collect())),
                ("text.special".to_owned(), truths(special.clone())),
                ("text.tokens".to_owned(), ColumnData::U32(self.tokens.clone().into())),
            ]),
            first_rows: BTreeMap::from([("text".to_owned(), first_row)]),
        }
    }

    /// The same with another last token.
    pub(super) fn with_last_token(&self, token: u32) -> Self {
        let mut text = self.clone();
        if let Some(last) = text.tokens.last_mut() {
            *last = token;
        }
        text
    }

    /// Its tokens.
    pub(super) fn tokens(&self) -> &[u32] {
        &self.tokens
    }
}

/// All samples.
pub(super) fn all() -> Vec<Text> {
    (100..).zip(SENTENCES).map(|(id, sentence)| of_bytes(id, sentence.as_bytes())).collect()
}

/// Samples of special tokens only, and a sample of one token: nothing that most objectives could predict.
pub(super) fn without_text() -> [Vec<Text>; 2] {
    let only = |id| Text { id, tokens: vec![BEGIN, END] };
    [vec![only(1), only(2)], vec![Text { id: 3, tokens: vec![BEGIN] }]]
}

fn of_bytes(id: u64, text: &[u8]) -> Text {
    let tokens = std::iter::once(BEGIN).chain(text.iter().copied().map(u32::from)).chain([END]).collect();
    Text { id, tokens }
}

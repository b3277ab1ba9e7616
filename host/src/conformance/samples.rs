//! Samples for conformance, the same in every run: each is a text, a picture and a sound at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use philox::Key;
use serde_json::json;

use crate::boundary::{ColumnData, Sample};

/// Colours, height and width of the pictures.
pub(super) const PICTURE: [usize; 3] = [2, 8, 12];
/// Frames of the longest sound, and features of a frame.
pub(super) const SOUND: [usize; 2] = [40, 8];
/// Labels of the longest sound, one for every four frames, and how many different ones there are.
const LABELS: usize = 10;
const UNITS: u64 = 4;
/// Names of classes, and of tags.
const CLASSES: [&str; 3] = ["B-a", "I-a", "O"];

const BEGIN: u32 = 257;
const END: u32 = 258;
/// Ids of the vocabulary, special ones included.
pub(super) const VOCABULARY: usize = 268;
const SENTINELS: [u32; 8] = [260, 261, 262, 263, 264, 265, 266, 267];
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

/// The vocabulary as an objective reads it: 256 bytes, four special tokens, eight sentinels.
fn vocabulary() -> String {
    let special = [&SPECIAL[..], &SENTINELS].concat();
    json!({
        "size": VOCABULARY, "pad": 256, "begin": BEGIN, "end": END, "mask": 259, "unknown": null, "sentinels": SENTINELS,
        "special": special,
        // Samples have labels of every kind.
        "label_kind": null, "labels": CLASSES
    })
    .to_string()
}

/// What plugins may know of text, pictures and sounds.
pub(super) fn facts() -> BTreeMap<String, String> {
    let ([channels, height, width], [frames, bins]) = (PICTURE, SOUND);
    let picture =
        json!({ "height": height, "width": width, "channels": channels, "label_kind": null, "labels": CLASSES });
    let sound = json!({
        "frames": frames, "bins": bins, "units": UNITS, "frames_per_unit": frames / LABELS, "label_kind": "class", "labels": CLASSES
    });
    BTreeMap::from([
        ("text".to_owned(), vocabulary()),
        ("image".to_owned(), picture.to_string()),
        ("audio".to_owned(), sound.to_string()),
    ])
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

    /// Labels of its sound: lengths differ, so that padding shows.
    pub(super) fn labels(&self) -> usize {
        LABELS - (self.id % 4) as usize
    }

    /// The sample as plugins read it: number `index` of a batch, its first token in row `first_row`, the first label of its sound
    /// in row `first_label`.
    pub(super) fn sample(&self, index: usize, first_row: usize, first_label: usize) -> Sample {
        let special: Vec<bool> = self.tokens.iter().map(|token| SPECIAL.contains(token)).collect();
        let starts = |place: usize| {
            !special[place] && (place == 0 || special[place - 1] || self.tokens[place - 1] == u32::from(b' '))
        };
        // Each word is a sentence, each second one begins a paragraph.
        let paragraph = |place: usize| starts(place) && (0..place).filter(|place| starts(*place)).count() % 2 == 0;
        let truths = |values: Vec<bool>| ColumnData::Bool(values.into_iter().map(u8::from).collect());
        let number = |of: u64| Key::root(0).stream("label").at(of).below(0, CLASSES.len() as u64);
        let tag = |place: usize| if starts(place) { number(self.tokens[place].into()) as i64 } else { -100 };
        let half = |place: usize| u32::from(2 * place >= special.len());
        Sample {
            id: self.id,
            columns: BTreeMap::from([
                ("text.word_starts".to_owned(), truths((0..special.len()).map(starts).collect())),
                ("text.sentence_starts".to_owned(), truths((0..special.len()).map(starts).collect())),
                ("text.paragraph_starts".to_owned(), truths((0..special.len()).map(paragraph).collect())),
                ("text.special".to_owned(), truths(special.clone())),
                ("text.types".to_owned(), ColumnData::U32((0..special.len()).map(half).collect())),
                ("text.tags".to_owned(), ColumnData::I64((0..special.len()).map(tag).collect())),
                ("text.label".to_owned(), ColumnData::U32(Arc::from([number(self.id) as u32]))),
                ("text.score".to_owned(), ColumnData::F32(Arc::from([number(self.id + 1) as f32]))),
                ("text.tokens".to_owned(), ColumnData::U32(self.tokens.clone().into())),
                ("image.label".to_owned(), ColumnData::U32(Arc::from([number(self.id) as u32]))),
                ("image.classes".to_owned(), ColumnData::I64(self.classes().into())),
                ("image.pixels".to_owned(), ColumnData::F32(self.pixels().into())),
                ("audio.features".to_owned(), ColumnData::F32(self.features().into())),
                ("audio.units".to_owned(), ColumnData::U32(self.units().into())),
                // Its second version: faster by a row, and a little louder.
                ("audio.changed_features".to_owned(), ColumnData::F32(self.changed().into())),
                ("audio.changed_rows".to_owned(), ColumnData::U32(Arc::from([self.labels() as u32 - 1]))),
                ("audio.changed_units".to_owned(), ColumnData::U32(self.units()[1..].into())),
                ("audio.labels".to_owned(), ColumnData::U32([0, 1].map(|clip| ((self.id + clip) % 3) as u32).into())),
                (
                    "audio.row_labels".to_owned(),
                    ColumnData::I64((0..self.labels()).map(|row| self.spoken(row).0).collect()),
                ),
                (
                    "audio.row_places".to_owned(),
                    ColumnData::F32((0..self.labels()).map(|row| self.spoken(row).1).collect()),
                ),
            ]),
            first_rows: BTreeMap::from([
                ("text".to_owned(), first_row),
                ("image".to_owned(), index),
                ("audio".to_owned(), first_label),
            ]),
        }
    }

    /// Its picture `[c, h, w]`: a ramp whose level and slopes are its own.
    pub(super) fn pixels(&self) -> Vec<f32> {
        let ([channels, height, width], key) = (PICTURE, Key::root(0).stream("picture").at(self.id));
        let mut pixels = Vec::new();
        for channel in 0..channels as u64 {
            let [level, down, across] = [0, 1, 2].map(|draw| key.uniform(3 * channel + draw));
            for place in 0..height * width {
                let (row, column) = ((place / width) as f64, (place % width) as f64);
                pixels.push((1.0 + level + 0.1 * down * row + 0.1 * across * column) as f32);
            }
        }
        pixels
    }

    /// The classes of its pixels `[h, w]`: stripes, one of them of no class.
    fn classes(&self) -> Vec<i64> {
        let [_, height, width] = PICTURE;
        let class = |place: usize| match (place % width + self.id as usize) / 2 % (CLASSES.len() + 1) {
            none if none == CLASSES.len() => -100,
            class => class as i64,
        };
        (0..height * width).map(class).collect()
    }

    /// The units of its sound `[labels]`.
    fn units(&self) -> Vec<u32> {
        let key = Key::root(0).stream("units").at(self.id);
        (0..self.labels() as u64).map(|label| key.below(label / 2, UNITS) as u32).collect()
    }

    fn changed(&self) -> Vec<f32> {
        let ([_, bins], features) = (SOUND, self.features());
        let row = features.len() / self.labels() / bins * bins;
        features[row..].iter().map(|value| 1.1 * value).collect()
    }

    /// The class that is spoken in a row of its sound, and the share of it that has passed: two clips with a row of silence
    /// between them.
    fn spoken(&self, row: usize) -> (i64, f32) {
        let half = self.labels() / 2;
        match row {
            row if row < half => ((self.id % 3) as i64, row as f32 / half as f32),
            row if row == half => (-100, -1.0),
            row => (((self.id + 1) % 3) as i64, (row - half - 1) as f32 / (self.labels() - half - 1) as f32),
        }
    }

    /// Its sound `[frames, bins]`: each unit is a wave along the bins, a little different in each frame.
    pub(super) fn features(&self) -> Vec<f32> {
        let ([frames, bins], units, key) = (SOUND, self.units(), Key::root(0).stream("sound").at(self.id));
        let per_unit = frames / LABELS;
        let feature = |place: usize| {
            let (frame, bin) = (place / bins, place % bins);
            let unit = f64::from(units[frame / per_unit]);
            ((0.8 * (unit + 1.0) * bin as f64).sin() + 0.2 * key.uniform(place as u64)) as f32
        };
        (0..self.labels() * per_unit * bins).map(feature).collect()
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

//! The byte level: 256 bytes and four special tokens.

use std::ops::Range;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::Encoding;

/// Ids in all.
pub(super) const SIZE: u32 = 256 + SPECIAL.len() as u32;

/// The special tokens, ids 256 and on.
const SPECIAL: [&str; 4] = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"];

/// The byte level as a `tokenizer.json`: byte-level BPE (Radford et al. 2019, section 2.2) without any merge.
pub(super) fn json() -> Vec<u8> {
    let mut vocabulary: Map<String, Value> =
        (0..=255_u8).map(|byte| (letter(byte).to_string(), Value::from(byte))).collect();
    let mut added = Vec::new();
    for (id, token) in (256_u32..).zip(SPECIAL) {
        vocabulary.insert(token.to_owned(), Value::from(id));
        added.push(json!({
            "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true
        }));
    }
    let level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false });
    let template = super::train::template(257, 258);
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": level, "post_processor": template, "decoder": level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary, "merges": []
        }
    });
    tokenizer.to_string().into_bytes()
}

/// The same as the library writes it: what tells the byte level among other tokenizers.
pub(super) fn canonical() -> &'static [u8] {
    static CANONICAL: OnceLock<Vec<u8>> = OnceLock::new();
    CANONICAL.get_or_init(|| {
        let written = tokenizers::Tokenizer::from_bytes(json()).and_then(|tokenizer| tokenizer.to_string(false));
        written.map(String::into_bytes).unwrap_or_default()
    })
}

/// The letter that byte-level BPE writes for a byte: itself where it can be seen, else the next from U+0100 on.
fn letter(byte: u8) -> char {
    let visible = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if visible(byte) {
        return char::from(byte);
    }
    let hidden_before = (0..byte).filter(|byte| !visible(*byte)).count() as u32;
    char::from_u32(0x100 + hidden_before).expect("68 letters from U+0100 on exist")
}

/// The bytes of the text that each of its ids stands for.
pub(super) fn offsets(ids: &[u32]) -> Vec<Range<usize>> {
    let mut end = 0;
    let bytes = |id: &u32| id.checked_sub(256).map_or(1, |special| SPECIAL[special as usize].len());
    let range = |id: &u32| {
        let start = end;
        end += bytes(id);
        start..end
    };
    ids.iter().map(range).collect()
}

pub(super) fn encode(text: &str) -> Encoding {
    let bytes = text.as_bytes();
    let mut encoding = Encoding { ids: Vec::with_capacity(bytes.len()), word_starts: Vec::with_capacity(bytes.len()) };
    // White space ended, a special token ended, or nothing has come yet.
    let mut at_start = true;
    let mut after_space = true;
    let mut place = 0;
    while place < bytes.len() {
        let special =
            SPECIAL.iter().position(|token| bytes[place] == b'[' && bytes[place..].starts_with(token.as_bytes()));
        if let Some(number) = special {
            encoding.ids.push(256 + number as u32);
            encoding.word_starts.push(true);
            place += SPECIAL[number].len();
            (at_start, after_space) = (true, true);
            continue;
        }
        let byte = bytes[place];
        let space = byte.is_ascii_whitespace();
        encoding.ids.push(u32::from(byte));
        encoding.word_starts.push(at_start || (after_space && !space));
        (at_start, after_space) = (false, space);
        place += 1;
    }
    encoding
}

pub(super) fn decode(ids: &[u32], skip_special: bool) -> String {
    let mut bytes = Vec::with_capacity(ids.len());
    for id in ids {
        match u8::try_from(*id) {
            Ok(byte) => bytes.push(byte),
            Err(_) if skip_special => {}
            Err(_) => bytes.extend(SPECIAL.get(*id as usize - 256).map_or("", |token| token).as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

//! From samples to columns: the sequences that are shown, and what is to be told of them.

use plugin_api::prelude::*;

use crate::objective::{Structural, TokenTask};
use crate::passages::{DRAWS, Document, Passages, Texts};

/// A sequence as the model reads it.
#[derive(Default)]
struct Sequence {
    tokens: Vec<u32>,
    special: Vec<bool>,
    /// Where a second text ends, behind the first.
    ends: Vec<usize>,
    related: Vec<bool>,
}

/// `[begin] first [end] second [end] …`.
fn joined(texts: Texts, begin: u32, end: u32) -> Sequence {
    let mut sequence = Sequence { tokens: vec![begin], special: vec![true], ..Sequence::default() };
    for (number, text) in texts.texts.into_iter().enumerate() {
        sequence.special.extend(text.iter().map(|_| false));
        sequence.tokens.extend(text);
        if number > 0 {
            sequence.ends.push(sequence.tokens.len());
        }
        sequence.tokens.push(end);
        sequence.special.push(true);
    }
    sequence.related = texts.related;
    sequence
}

struct Read<'a> {
    tokens: &'a [u32],
    special: &'a [bool],
    passages: Passages,
}

impl Read<'_> {
    fn document(&self) -> Document<'_> {
        Document { tokens: self.tokens, passages: &self.passages }
    }
}

impl Collate for Structural {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let mut read = Vec::with_capacity(samples.len());
        for sample in samples.iter() {
            let (tokens, special) = (sample.u32s("text.tokens")?, sample.bools("text.special")?);
            let passages = match &self.structure {
                Some(_) => Passages::new(
                    special,
                    sample.bools("text.sentence_starts")?,
                    sample.bools("text.paragraph_starts")?,
                ),
                None => Passages::default(),
            };
            read.push(Read { tokens, special, passages });
        }
        let (mut shown, mut original, mut lengths, mut keys) =
            (Vec::<u32>::new(), Vec::new(), Vec::<u32>::new(), Vec::new());
        let (mut chosen, mut is_chosen, mut is_special) = (Vec::<i64>::new(), Vec::<bool>::new(), Vec::new());
        let (mut first_rows, mut second_rows, mut related) = (Vec::<i64>::new(), Vec::<i64>::new(), Vec::<i64>::new());
        for (number, sample) in samples.iter().enumerate() {
            let own = &read[number];
            let other = &read[(number + 1) % read.len()];
            let sequence = self.sequence(own, other, sample)?;
            let first = shown.len();

            let length = sequence.tokens.len();
            let picked = match self.tokens_task {
                TokenTask::None => Vec::new(),
                _ => self.swaps.choose(&sequence.special, &sample.uniforms("choice", length)?),
            };
            shown.extend(self.swaps.shown(&sequence.tokens, &picked, &sample.uniforms("replacement", 2 * length)?));
            chosen.extend(picked.iter().map(|position| (first + position) as i64));
            is_chosen.extend((0..length).map(|position| picked.binary_search(&position).is_ok()));
            lengths.push(length as u32);
            keys.push((sample.uniforms("key", 1)?[0] * (1_u64 << 53) as f64) as i64);
            if !sequence.related.is_empty() {
                first_rows.push(first as i64);
                second_rows.extend(sequence.ends.iter().map(|end| (first + end) as i64));
                related.extend(sequence.related.iter().map(|&related| i64::from(related)));
            }
            original.extend(sequence.tokens);
            is_special.extend(sequence.special);
        }
        samples.add("sequences.tokens", &original)?;
        samples.add("sequences.shown", &shown)?;
        samples.add("sequences.special", &is_special)?;
        samples.add("sequences.lengths", &lengths)?;
        samples.add("sequences.keys", &keys)?;
        samples.add("chosen", &chosen)?;
        samples.add("is_chosen", &is_chosen)?;
        samples.add("structure.first_rows", &first_rows)?;
        samples.add("structure.second_rows", &second_rows)?;
        samples.add("structure.related", &related)
    }
}

impl Structural {
    /// The texts that the structure task draws; the sample as it is where there is no such task, or it is too short.
    fn sequence(&self, own: &Read<'_>, other: &Read<'_>, sample: Sample<'_>) -> Result<Sequence> {
        if let Some(structure) = &self.structure {
            let other = structure.choice.needs_other().then(|| other.document());
            let drawn = structure.choice.draw(own.document(), other, &sample.uniforms("structure", DRAWS)?);
            if let Some(texts) = drawn {
                return Ok(joined(texts, structure.begin, structure.end));
            }
        }
        Ok(Sequence { tokens: own.tokens.to_vec(), special: own.special.to_vec(), ..Sequence::default() })
    }
}

//! Plain text, and lines of UTF-8 for whoever needs them.

use std::io::BufRead;

use super::{Flow, Outlet, TextUnit, sentence};
use crate::Error;

pub(super) fn read(reader: &mut dyn BufRead, unit: TextUnit, outlet: &mut Outlet<'_>) -> Flow {
    let mut lines = Lines::new(reader);
    let (mut first, mut text) = (1, String::new());
    while let Some(line) = lines.next(outlet)? {
        let number = line.number;
        let blank = line.text.trim().is_empty();
        match unit {
            TextUnit::Line => outlet.give(number, line.text.to_owned())?,
            TextUnit::Paragraph | TextUnit::Sentence if blank => give(unit, first, std::mem::take(&mut text), outlet)?,
            TextUnit::Paragraph | TextUnit::Sentence | TextUnit::File => {
                if text.is_empty() {
                    if blank {
                        continue;
                    }
                    first = number;
                } else {
                    text.push('\n');
                }
                text.push_str(line.text);
            }
        }
    }
    give(unit, first, text, outlet)
}

/// Gives a paragraph or a file that begins in line `first`, or the sentences in it.
fn give(unit: TextUnit, first: u64, text: String, outlet: &mut Outlet<'_>) -> Flow {
    if unit != TextUnit::Sentence {
        return outlet.give(first, text);
    }
    for sentence in sentence::sentences(&text) {
        outlet.give(first + sentence.lines_before, sentence.text.to_owned())?;
    }
    Ok(())
}

/// A line without its end.
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: u64,
    pub(super) text: &'a str,
}

/// Lines of UTF-8, ending in `\n` or `\r\n`, a byte-order mark left out.
pub(super) struct Lines<'a> {
    reader: &'a mut dyn BufRead,
    buffer: Vec<u8>,
    /// A line that is not UTF-8 is Latin-1.
    latin1: bool,
    decoded: String,
    number: u64,
    /// Offset of the next line.
    offset: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(reader: &'a mut dyn BufRead) -> Self {
        Self { reader, buffer: Vec::new(), latin1: false, decoded: String::new(), number: 0, offset: 0 }
    }

    /// Lines that may be Latin-1.
    pub(super) fn of_latin1(reader: &'a mut dyn BufRead) -> Self {
        Self { latin1: true, ..Self::new(reader) }
    }

    pub(super) fn next(&mut self, outlet: &Outlet<'_>) -> Result<Option<Line<'_>>, Error> {
        self.buffer.clear();
        let start = self.offset;
        let read = self.reader.read_until(b'\n', &mut self.buffer);
        let read = read.map_err(|error| outlet.damaged(self.number + 1, format!("cannot read on: {error}")))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.offset += read as u64;
        let bytes = self.buffer.as_slice();
        let bytes = if self.number == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes };
        let skipped = self.buffer.len() - bytes.len();
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(Line { number: self.number, text })),
            Err(_) if self.latin1 => {
                // The code points of Latin-1 are those of Unicode.
                self.decoded = bytes.iter().map(|byte| char::from(*byte)).collect();
                Ok(Some(Line { number: self.number, text: &self.decoded }))
            }
            Err(error) => Err(Error::Encoding {
                place: outlet.file.to_string(),
                line: self.number,
                offset: start + (skipped + error.valid_up_to()) as u64,
                hint: hint(bytes, error.valid_up_to()),
            }),
        }
    }
}

/// What bytes that are not UTF-8 look like.
pub(super) fn hint(bytes: &[u8], at: usize) -> &'static str {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        " (it looks like UTF-16)"
    } else if bytes.get(at).is_some_and(|byte| *byte >= 0xa0) {
        " (it may be Latin-1 or Windows-1252)"
    } else {
        ""
    }
}

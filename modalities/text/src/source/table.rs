//! Comma- and tab-separated values.

use std::io::BufRead;

use csv::{ByteRecord, ReaderBuilder};

use super::{Flow, Outlet, SourceSettings, text};
use crate::Error;

pub(super) fn read(
    reader: &mut dyn BufRead,
    delimiter: u8,
    settings: &SourceSettings,
    outlet: &mut Outlet<'_>,
) -> Flow {
    let mut table = ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .quoting(delimiter != b'\t')
        // Records of unequal length are told apart below: only the one without the text matters.
        .flexible(true)
        // The library's own `\r\n` leaves the `\n` to the next record, whose line it then counts one too low.
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(reader);
    let mut record = ByteRecord::new();
    let mut column = None;
    loop {
        let more = table.read_byte_record(&mut record);
        if !more.map_err(|error| damaged(outlet, &error))? {
            return Ok(());
        }
        let line = record.position().map_or(1, csv::Position::line);
        if record.len() == 1 && &record[0] == b"\r" {
            continue;
        }
        let Some(index) = column else {
            let (index, is_header) = find(&record, line, settings, outlet)?;
            column = Some(index);
            if !is_header {
                give(&record, index, line, outlet)?;
            }
            continue;
        };
        give(&record, index, line, outlet)?;
    }
}

fn give(record: &ByteRecord, index: usize, line: u64, outlet: &mut Outlet<'_>) -> Flow {
    let Some(field) = record.get(index) else {
        let known = (1..=record.len()).map(|number| format!("column {number}")).collect();
        return Err(outlet.missing(line, &format!("column {}", index + 1), known).into());
    };
    let field = if index + 1 == record.len() { field.strip_suffix(b"\r").unwrap_or(field) } else { field };
    let text = std::str::from_utf8(field).map_err(|error| Error::Encoding {
        place: outlet.file.to_string(),
        line,
        offset: record.position().map_or(0, csv::Position::byte),
        hint: text::hint(field, error.valid_up_to()),
    })?;
    outlet.give(line, text.replace("\r\n", "\n"))
}

/// The column of the text, by the first record; and whether that record is the header.
fn find(first: &ByteRecord, line: u64, settings: &SourceSettings, outlet: &Outlet<'_>) -> Result<(usize, bool), Error> {
    if settings.header {
        let clean = |name: &[u8]| String::from_utf8_lossy(name).trim_matches(['\u{feff}', '\r']).to_owned();
        let names: Vec<String> = first.iter().map(clean).collect();
        let index = names.iter().position(|name| *name == settings.field);
        return match index {
            Some(index) => Ok((index, true)),
            None => Err(outlet.missing(line, &settings.field, names)),
        };
    }
    match settings.field.parse::<usize>() {
        Ok(number) if number >= 1 => Ok((number - 1, false)),
        _ => Err(outlet.missing(line, &settings.field, (1..=first.len()).map(|number| number.to_string()).collect())),
    }
}

fn damaged(outlet: &Outlet<'_>, error: &csv::Error) -> Error {
    outlet.damaged(error.position().map(csv::Position::line), error)
}

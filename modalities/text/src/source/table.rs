//! Comma- and tab-separated values.

use std::io::BufRead;

use csv::{ByteRecord, ReaderBuilder};

use super::label::{LabelKind, Record};
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
        // Records of unequal length are told apart below: without labels only the one without the text matters.
        .flexible(true)
        // The library's own `\r\n` leaves the `\n` to the next record, whose line it then counts one too low.
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(reader);
    let mut record = ByteRecord::new();
    let mut columns: Option<Columns> = None;
    loop {
        let more = table.read_byte_record(&mut record);
        if !more.map_err(|error| damaged(outlet, &error))? {
            return Ok(());
        }
        let line = record.position().map_or(1, csv::Position::line);
        if record.len() == 1 && &record[0] == b"\r" {
            continue;
        }
        let columns = match &columns {
            Some(columns) => columns,
            None => {
                let found = columns.insert(Columns::find(&record, line, settings, outlet)?);
                if settings.header {
                    continue;
                }
                found
            }
        };
        columns.give(&record, line, outlet)?;
    }
}

/// Where the texts and the label stand.
struct Columns {
    text: usize,
    second: Option<usize>,
    label: Option<(usize, LabelKind)>,
    /// Columns of the first record, and its line.
    width: (usize, u64),
}

impl Columns {
    /// By the first record, which is the line of names where there is one.
    fn find(first: &ByteRecord, line: u64, settings: &SourceSettings, outlet: &Outlet<'_>) -> Result<Self, Error> {
        let clean = |name: &[u8]| String::from_utf8_lossy(name).trim_matches(['\u{feff}', '\r']).to_owned();
        let names: Vec<String> = if settings.header {
            first.iter().map(clean).collect()
        } else {
            (0..first.len()).map(|number| number.to_string()).collect()
        };
        let place = |field: &str| {
            let found = names.iter().position(|name| name == field);
            found.ok_or_else(|| outlet.missing(line, field, names.clone()))
        };
        let label = match (&settings.label_field, settings.label_kind) {
            (Some(field), Some(kind)) => Some((place(field)?, kind)),
            _ => None,
        };
        Ok(Self {
            text: place(&settings.field)?,
            second: settings.second_field.as_deref().map(place).transpose()?,
            label,
            width: (first.len(), line),
        })
    }

    fn give(&self, record: &ByteRecord, line: u64, outlet: &mut Outlet<'_>) -> Flow {
        let (width, first) = self.width;
        if self.label.is_some() && record.len() != width {
            let reason = format!("it has {} columns, line {first} has {width}", record.len());
            return Err(outlet.damaged(line, reason).into());
        }
        let read = Record {
            text: cell(record, self.text, line, outlet)?,
            second: self.second.map(|place| cell(record, place, line, outlet)).transpose()?,
            label: self.label.map(|(place, _)| cell(record, place, line, outlet)).transpose()?,
        };
        outlet.record(line, read, self.label.map(|(_, kind)| kind))
    }
}

/// The text of a column.
fn cell(record: &ByteRecord, index: usize, line: u64, outlet: &Outlet<'_>) -> Result<String, Error> {
    let Some(field) = record.get(index) else {
        let known = (0..record.len()).map(|number| format!("column {number}")).collect();
        return Err(outlet.missing(line, &format!("column {index}"), known));
    };
    let field = if index + 1 == record.len() { field.strip_suffix(b"\r").unwrap_or(field) } else { field };
    let text = std::str::from_utf8(field).map_err(|error| Error::Encoding {
        place: outlet.file.to_string(),
        line,
        offset: record.position().map_or(0, csv::Position::byte),
        hint: text::hint(field, error.valid_up_to()),
    })?;
    Ok(text.replace("\r\n", "\n"))
}

fn damaged(outlet: &Outlet<'_>, error: &csv::Error) -> Error {
    outlet.damaged(error.position().map(csv::Position::line), error)
}

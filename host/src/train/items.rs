//! The results of single samples, and pictures of some, as a run keeps them.

use records::{ItemRow, ItemValue as Kept, Medium, MediumKind, RunFolder};

use super::sheets::Sheet;

use crate::boundary::{ItemValue, Items};
use crate::error::Result;

/// Replaces the items of `split` (`valid`, `test`) in a run's folder; nothing where no item is for the records.
///
/// # Errors
/// When the file can't be written.
pub fn write_items(folder: &RunFolder, split: &str, items: &Items) -> Result<()> {
    if !items.to_write() {
        return Ok(());
    }
    let row = |(number, id): (usize, &u64)| {
        let written = items.columns.iter().filter(|column| column.written);
        let value = |value| match value {
            ItemValue::Number(number) => Kept::Number(number),
            ItemValue::List(list) => Kept::List(list),
        };
        ItemRow {
            sample: *id,
            values: written.map(|column| (column.name.clone(), value(column.value(number)))).collect(),
        }
    };
    let rows: Vec<ItemRow> = items.ids.iter().enumerate().map(row).collect();
    Ok(folder.write_items(split, &rows)?)
}

/// Replaces the pictures of `split` in a run's folder by those of a measurement.
///
/// # Errors
/// When a file can't be written.
pub fn write_sheets(folder: &RunFolder, split: &str, sheets: &[Sheet]) -> Result<()> {
    for Sheet { name, png } in sheets {
        let medium =
            Medium { kind: MediumKind::Picture, split: split.to_owned(), name: name.clone(), bytes: png.clone() };
        medium.write(folder.path())?;
    }
    Ok(())
}

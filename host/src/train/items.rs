//! The results of single samples as a run keeps them.

use records::{ItemRow, ItemValue as Kept, RunFolder};

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

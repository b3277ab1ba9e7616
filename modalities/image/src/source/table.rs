//! Apache Parquet: a column of pictures, either their bytes or a structure that holds them under `bytes`, and one of labels.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::unpack::{Copy, hash};
use super::{Found, Gathered, Place, SourceSettings};
use crate::{Error, Result};

/// Rows decoded at a time: pictures are large.
const ROWS: usize = 64;

pub(super) fn read(path: &Path, settings: &SourceSettings, gathered: &mut Gathered) -> Result<()> {
    // Pages are compressed, and a row cannot be read alone: the column is copied out once.
    let field = blake3::hash(settings.field.as_bytes()).to_hex();
    let mut copy = Copy::new(&settings.unpacked, &format!("{}-{}", hash(path)?, &field[..8]))?;
    let first = gathered.found.len();
    let file = gathered.files.len() as u32;
    let mut batches = guarded(path, || open(path, settings))?;
    let mut row = 0;
    while let Some(batch) = guarded(path, || {
        batches
            .next()
            .transpose()
            .map_err(|error| Error::damaged(path, Some(row + 1), format!("damaged table: {error}")))
    })? {
        let column =
            batch.column_by_name(&settings.field).ok_or_else(|| Error::damaged(path, None, "its column is gone"))?;
        let labels = batch.column_by_name(&settings.label_field).map(texts);
        for at in 0..batch.num_rows() {
            row += 1;
            let Some(bytes) = bytes_at(column, at) else {
                let reason = format!(
                    "column `{}` ({}) holds no bytes of a picture here: it has to be binary, or a structure with `bytes`",
                    settings.field,
                    column.data_type()
                );
                return Err(Error::damaged(path, Some(row), reason));
            };
            let place = Place { file, offset: copy.add(bytes)?, bytes: bytes.len() as u64, raw: None };
            let label = labels.as_ref().and_then(|labels| labels[at].clone());
            let name = format!("{}, row {row}", path.display());
            gathered.found.push(Found { place, name, label, caption: None });
        }
    }
    debug_assert!(gathered.found.len() - first == row as usize);
    gathered.file(&copy.finish()?);
    Ok(())
}

/// Damaged files can make the parquet library panic; here that is an error like any other.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(Error::damaged(path, None, "damaged parquet file")))
}

fn open(path: &Path, settings: &SourceSettings) -> Result<ParquetRecordBatchReader> {
    let damaged = |error| Error::damaged(path, None, format!("damaged parquet file: {error}"));
    let table = File::open(path).map_err(Error::io("read", path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(table).map_err(damaged)?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let place = |field: &str| names.iter().position(|name| name == field);
    let Some(picture) = place(&settings.field) else {
        let (place, field) = (path.display().to_string(), settings.field.clone());
        return Err(Error::MissingField { place, line: 1, field, known: names });
    };
    let wanted = [Some(picture), place(&settings.label_field)].into_iter().flatten();
    let columns = ProjectionMask::roots(builder.parquet_schema(), wanted);
    builder.with_projection(columns).with_batch_size(ROWS).build().map_err(damaged)
}

fn bytes_at(column: &ArrayRef, row: usize) -> Option<&[u8]> {
    if let Some(structure) = column.as_struct_opt() {
        return structure
            .column_by_name("bytes")
            .filter(|_| structure.is_valid(row))
            .and_then(|inside| bytes_at(inside, row));
    }
    if !column.is_valid(row) {
        return None;
    }
    if let Some(bytes) = column.as_binary_opt::<i32>() {
        Some(bytes.value(row))
    } else if let Some(bytes) = column.as_binary_opt::<i64>() {
        Some(bytes.value(row))
    } else {
        column.as_binary_view_opt().map(|bytes| bytes.value(row))
    }
}

/// Texts and numbers as they are usually written; nothing for columns of other kinds.
fn texts(column: &ArrayRef) -> Vec<Option<String>> {
    macro_rules! numbers {
        ($($kind:ty)*) => {$(
            if let Some(numbers) = column.as_primitive_opt::<$kind>() {
                return numbers.iter().map(|number| number.map(|number| number.to_string())).collect();
            }
        )*};
    }
    numbers! { Int8Type Int16Type Int32Type Int64Type UInt8Type UInt16Type UInt32Type UInt64Type Float32Type Float64Type }
    let owned = |text: Option<&str>| text.map(str::to_owned);
    if let Some(texts) = column.as_string_opt::<i32>() {
        texts.iter().map(owned).collect()
    } else if let Some(texts) = column.as_string_opt::<i64>() {
        texts.iter().map(owned).collect()
    } else if let Some(texts) = column.as_string_view_opt() {
        texts.iter().map(owned).collect()
    } else if let Some(truths) = column.as_boolean_opt() {
        truths.iter().map(|truth| truth.map(|truth| truth.to_string())).collect()
    } else {
        vec![None; column.len()]
    }
}

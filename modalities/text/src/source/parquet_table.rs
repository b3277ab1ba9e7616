//! Apache Parquet: one column of text.

use std::fs::File;
use std::io::BufRead;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::ChunkReader;

use super::files::unpack;
use super::label::Record;
use super::{Flow, Outlet, SourceSettings};
use crate::Error;

/// Rows decoded at a time.
const ROWS: usize = 1024;

/// Reads the file at `path`, or what the gzip stream `compressed` over it holds.
pub(super) fn read(
    path: &Path,
    compressed: Option<impl BufRead>,
    settings: &SourceSettings,
    outlet: &mut Outlet<'_>,
) -> Flow {
    match compressed {
        Some(stream) => {
            let bytes = unpack(stream).map_err(|error| outlet.damaged(None, format!("cannot read on: {error}")))?;
            read_table(Bytes::from(bytes), settings, outlet)
        }
        None => read_table(File::open(path).map_err(Error::io("read", path))?, settings, outlet),
    }
}

fn read_table(table: impl ChunkReader + 'static, settings: &SourceSettings, outlet: &mut Outlet<'_>) -> Flow {
    let mut batches = guarded(outlet, || open(table, settings, outlet))?;
    let mut row = 0;
    while let Some(batch) =
        guarded(outlet, || batches.next().transpose().map_err(|error| outlet.damaged(row + 1, error)))?
    {
        let kind = settings.label_kind.filter(|_| settings.label_field.is_some());
        let texts = texts(&batch, &settings.field, row, outlet)?;
        let mut seconds = match &settings.second_field {
            Some(field) => Some(self::texts(&batch, field, row, outlet)?.into_iter()),
            None => None,
        };
        let mut labels = match settings.label_field.as_ref().filter(|_| kind.is_some()) {
            Some(field) => Some(labels(&batch, field, row, outlet)?.into_iter()),
            None => None,
        };
        for text in texts {
            row += 1;
            let second = seconds.as_mut().map(|seconds| seconds.next().flatten().unwrap_or_default());
            let label = labels.as_mut().and_then(|labels| labels.next().flatten());
            if let Some(text) = text {
                outlet.record(row, Record { text, second, label }, kind)?;
            }
        }
    }
    Ok(())
}

/// Damaged files can make the parquet library panic; here that is an error like any other.
fn guarded<T>(outlet: &Outlet<'_>, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(outlet.damaged(None, "damaged parquet file")))
}

fn open(
    table: impl ChunkReader + 'static,
    settings: &SourceSettings,
    outlet: &Outlet<'_>,
) -> Result<ParquetRecordBatchReader, Error> {
    let damaged = |error| outlet.damaged(None, format!("damaged parquet file: {error}"));
    let builder = ParquetRecordBatchReaderBuilder::try_new(table).map_err(damaged)?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let label = settings.label_field.as_deref().filter(|_| settings.label_kind.is_some());
    let mut wanted = Vec::new();
    for field in [Some(settings.field.as_str()), settings.second_field.as_deref(), label].into_iter().flatten() {
        let place = names.iter().position(|name| name == field);
        wanted.push(place.ok_or_else(|| outlet.missing(1, field, names.clone()))?);
    }
    let columns = ProjectionMask::roots(builder.parquet_schema(), wanted);
    builder.with_projection(columns).with_batch_size(ROWS).build().map_err(damaged)
}

fn texts(batch: &RecordBatch, field: &str, row: u64, outlet: &Outlet<'_>) -> Result<Vec<Option<String>>, Error> {
    let column = column(batch, field, row, outlet)?;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    if let Some(texts) = column.as_string_opt::<i32>() {
        Ok(texts.iter().map(owned).collect())
    } else if let Some(texts) = column.as_string_opt::<i64>() {
        Ok(texts.iter().map(owned).collect())
    } else if let Some(texts) = column.as_string_view_opt() {
        Ok(texts.iter().map(owned).collect())
    } else {
        Err(outlet.not_text(row + 1, field, format!("{}", column.data_type())))
    }
}

/// Labels as texts, whole numbers and numbers as they are usually written.
fn labels(batch: &RecordBatch, field: &str, row: u64, outlet: &Outlet<'_>) -> Result<Vec<Option<String>>, Error> {
    let column = column(batch, field, row, outlet)?;
    macro_rules! numbers {
        ($($kind:ty)*) => {$(
            if let Some(numbers) = column.as_primitive_opt::<$kind>() {
                return Ok(numbers.iter().map(|number| number.map(|number| number.to_string())).collect());
            }
        )*};
    }
    numbers! { Int8Type Int16Type Int32Type Int64Type UInt8Type UInt16Type UInt32Type UInt64Type Float32Type Float64Type }
    if let Some(truths) = column.as_boolean_opt() {
        return Ok(truths.iter().map(|truth| truth.map(|truth| truth.to_string())).collect());
    }
    texts(batch, field, row, outlet)
}

fn column<'a>(batch: &'a RecordBatch, field: &str, row: u64, outlet: &Outlet<'_>) -> Result<&'a ArrayRef, Error> {
    batch.column_by_name(field).ok_or_else(|| outlet.missing(row + 1, field, Vec::new()))
}

//! Apache Parquet: one column of text.

use std::fs::File;
use std::io::BufRead;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::ChunkReader;

use super::files::unpack;
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
        let texts = texts(&batch, &settings.field, row, outlet)?;
        for text in texts {
            row += 1;
            if let Some(text) = text {
                outlet.give(row, text)?;
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
    let Some(index) = names.iter().position(|name| *name == settings.field) else {
        return Err(outlet.missing(1, &settings.field, names));
    };
    let column = ProjectionMask::roots(builder.parquet_schema(), [index]);
    builder.with_projection(column).with_batch_size(ROWS).build().map_err(damaged)
}

fn texts(batch: &RecordBatch, field: &str, row: u64, outlet: &Outlet<'_>) -> Result<Vec<Option<String>>, Error> {
    let column = batch.column(0);
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

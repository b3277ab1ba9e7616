//! `metrics.jsonl`: what was measured at which step, the source of truth of a run.
//!
//! One JSON object a line, keys in the order they were given, numbers in their shortest form that reads back to the same
//! bits. Nothing that depends on the clock belongs here (that goes to `timings.jsonl`, written by the same code), so the
//! same experiment gives the same bytes on every machine, and a resumed run the same bytes as one that never stopped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::atomic::{parent, sync_folder, write_atomic};
use crate::error::{Error, Result};

/// Past this, whole numbers are no longer all exact as `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// One line: the values measured on one split at one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Optimizer steps done when this was measured.
    pub step: u64,
    /// What it was measured on: `train`, `valid`, the name of an evaluation.
    pub split: String,
    /// Names and values, in the order they are written.
    pub values: Vec<(String, f64)>,
}

impl Row {
    /// A row without values.
    #[must_use]
    pub fn new(step: u64, split: &str) -> Self {
        Self { step, split: split.into(), values: Vec::new() }
    }

    /// Adds a value. Numbers that are not finite are kept as the texts `NaN`, `inf`, `-inf`.
    #[must_use]
    pub fn with(mut self, name: &str, value: f64) -> Self {
        self.values.push((name.into(), value));
        self
    }

    /// The value called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// The row as one line of JSON, ending in a newline.
    ///
    /// # Errors
    /// [`Error::Metric`] for a name that is empty, given twice, or one of the row's own keys.
    pub fn to_line(&self) -> Result<String> {
        let mut object = Map::new();
        object.insert("step".into(), self.step.into());
        object.insert("split".into(), self.split.as_str().into());
        for (name, value) in &self.values {
            let refuse = |reason| Err(Error::Metric { name: name.clone(), step: self.step, reason });
            match name.as_str() {
                "" => return refuse("its name is empty"),
                "step" | "split" => return refuse("the row itself has a key of this name"),
                _ => {}
            }
            if object.insert(name.clone(), number_to_json(*value)).is_some() {
                return refuse("it is given twice");
            }
        }
        Ok(format!("{}\n", Value::Object(object)))
    }

    fn parse(line: &[u8]) -> Result<Self, String> {
        let object: Map<String, Value> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let step = object.get("step").and_then(Value::as_u64).ok_or("it has no `step`")?;
        let split = object.get("split").and_then(Value::as_str).ok_or("it has no `split`")?.to_owned();
        let values = object
            .iter()
            .filter(|(key, _)| *key != "step" && *key != "split")
            .map(|(key, value)| {
                let number = number_from_json(value).ok_or_else(|| format!("`{key}` is no number: {value}"))?;
                Ok((key.clone(), number))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self { step, split, values })
    }
}

/// A number for JSON: whole ones without a fraction, others in shortest form, those that are not finite as text.
pub(crate) fn number_to_json(value: f64) -> Value {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "inf".into() } else { "-inf".into() }
    } else if value.fract() == 0.0 && value.abs() < EXACT && !(value == 0.0 && value.is_sign_negative()) {
        (value as i64).into()
    } else {
        value.into()
    }
}

pub(crate) fn number_from_json(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "inf" => Some(f64::INFINITY),
            "-inf" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// A last line that a crash cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Its number, from 1.
    pub line: usize,
    /// How many bytes of it are there.
    pub bytes: usize,
}

/// What a metrics file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// All whole lines, in order.
    pub rows: Vec<Row>,
    /// The last line, if it was cut off; it is left out of `rows`.
    pub torn: Option<Torn>,
}

/// Reads a metrics or timings file; one that is not there yet has no rows.
///
/// # Errors
/// [`Error::Io`], or [`Error::Line`] for a damaged line that is not the last.
pub fn read_rows(path: &Path) -> Result<Rows> {
    parse_rows(&read_or_empty(path)?, path)
}

/// Reads the content of a metrics file; `path` is for the error.
///
/// # Errors
/// [`Error::Line`] for a damaged line that is not the last.
pub fn parse_rows(bytes: &[u8], path: &Path) -> Result<Rows> {
    let lines = Lines::split(bytes, path)?;
    Ok(Rows { rows: lines.whole.into_iter().map(|(row, _)| row).collect(), torn: lines.torn })
}

fn read_or_empty(path: &Path) -> Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(Error::io("read", path)),
    }
}

struct Lines<'a> {
    whole: Vec<(Row, &'a [u8])>,
    torn: Option<Torn>,
}

impl<'a> Lines<'a> {
    fn split(bytes: &'a [u8], path: &Path) -> Result<Self> {
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        // What follows the last newline is a line only if there is something.
        if lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        let count = lines.len();
        let mut whole = Vec::with_capacity(count);
        for (index, line) in lines.into_iter().enumerate() {
            match Row::parse(line) {
                Ok(row) => whole.push((row, line)),
                Err(_) if index + 1 == count => {
                    return Ok(Self { whole, torn: Some(Torn { line: count, bytes: line.len() }) });
                }
                Err(reason) => return Err(Error::Line { path: path.into(), line: index + 1, reason }),
            }
        }
        Ok(Self { whole, torn: None })
    }
}

/// Appends rows to a metrics or timings file.
#[derive(Debug)]
pub struct MetricsWriter {
    path: PathBuf,
    file: File,
    length: u64,
}

impl MetricsWriter {
    /// Starts a new file.
    ///
    /// # Errors
    /// [`Error::Io`], also when there is one already.
    pub fn create(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path).map_err(Error::io("create", path))?;
        sync_folder(parent(path))?;
        Ok(Self { path: path.into(), file, length: 0 })
    }

    /// Continues a file after `step`: later rows and a torn last line are dropped, everything else stays byte for byte.
    /// The number of rows dropped comes back beside the writer.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Line`] for a damaged line that is not the last; the file is then as it was.
    pub fn resume(path: &Path, step: u64) -> Result<(Self, usize)> {
        let dropped = truncate_after(path, step)?;
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        Ok((Self { path: path.into(), file, length }, dropped))
    }

    /// Appends a row; another process can read it as soon as this returns.
    ///
    /// # Errors
    /// [`Error::Metric`] for an unusable name; [`Error::Io`], after which the file ends with the row before.
    pub fn append(&mut self, row: &Row) -> Result<()> {
        let line = row.to_line()?;
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // A full disk may have taken half a line.
            let _ = self.file.set_len(self.length);
            return Err(Error::io("write", &self.path)(error));
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Makes all rows survive a power cut. Call it before a checkpoint, so that no checkpoint is ahead of its metrics.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("sync", &self.path))
    }
}

fn truncate_after(path: &Path, step: u64) -> Result<usize> {
    let bytes = read_or_empty(path)?;
    let lines = Lines::split(&bytes, path)?;
    let mut kept = Vec::with_capacity(bytes.len());
    let mut dropped = usize::from(lines.torn.is_some());
    for (row, line) in &lines.whole {
        if row.step <= step {
            kept.extend_from_slice(line);
            kept.push(b'\n');
        } else {
            dropped += 1;
        }
    }
    if kept != bytes {
        write_atomic(path, &kept)?;
    }
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn written(folder: &Path) -> (PathBuf, Vec<u8>) {
        let path = folder.join("metrics.jsonl");
        let mut writer = MetricsWriter::create(&path).unwrap();
        for step in [10, 20, 30] {
            writer.append(&Row::new(step, "train").with("loss", 1.0 / step as f64)).unwrap();
        }
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    }

    #[test]
    fn a_row_is_one_line_in_the_order_given() {
        let row = Row::new(10, "train")
            .with("loss", 3.25)
            .with("accuracy", 0.1)
            .with("tokens", 4096.0)
            .with("a", f64::NAN)
            .with("b", f64::NEG_INFINITY)
            .with("c", -0.0);
        assert_eq!(
            row.to_line().unwrap(),
            "{\"step\":10,\"split\":\"train\",\"loss\":3.25,\"accuracy\":0.1,\"tokens\":4096,\"a\":\"NaN\",\"b\":\"-inf\",\"c\":-0.0}\n"
        );
    }

    #[test]
    fn numbers_read_back_to_the_same_bits() {
        let key = philox::Key::root(5).stream("bits");
        let mut values: Vec<f64> = (0..2000)
            .map(|index| {
                let words = key.words(index);
                f64::from_bits(u64::from(words[0]) << 32 | u64::from(words[1]))
            })
            .filter(|value| value.is_finite())
            .collect();
        values.extend([0.0, -0.0, 1e300, f64::MIN_POSITIVE, EXACT, EXACT - 1.0, -3.0, f64::INFINITY]);
        for value in values {
            let line = Row::new(1, "x").with("v", value).to_line().unwrap();
            let back = Row::parse(line.trim_end().as_bytes()).unwrap();
            assert_eq!(back.get("v").unwrap().to_bits(), value.to_bits(), "{line}");
        }
    }

    #[test]
    fn names_that_cannot_be_told_apart_are_refused() {
        for row in [
            Row::new(1, "x").with("step", 1.0),
            Row::new(1, "x").with("", 1.0),
            Row::new(1, "x").with("a", 1.0).with("a", 2.0),
        ] {
            assert_eq!(row.to_line().unwrap_err().code(), "run/metric");
        }
    }

    #[test]
    fn a_file_cut_anywhere_reads_up_to_the_cut_and_continues_to_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (path, whole) = written(folder.path());
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let read = read_rows(&path).unwrap();
            let (mut writer, _) = MetricsWriter::resume(&path, u64::MAX).unwrap();
            for step in [10, 20, 30].into_iter().skip(read.rows.len()) {
                writer.append(&Row::new(step, "train").with("loss", 1.0 / step as f64)).unwrap();
            }
            assert_eq!(fs::read(&path).unwrap(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_torn_line_is_reported_and_a_damaged_one_inside_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (path, whole) = written(folder.path());
        fs::write(&path, &whole[..whole.len() - 4]).unwrap();
        let read = read_rows(&path).unwrap();
        assert_eq!(read.rows.len(), 2);
        assert_eq!(read.torn.unwrap().line, 3);

        let mut damaged = whole.clone();
        damaged[3] = 0;
        fs::write(&path, &damaged).unwrap();
        let error = MetricsWriter::resume(&path, 10).unwrap_err();
        assert!(error.to_string().starts_with("line 1 of"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), damaged);
    }

    #[test]
    fn resuming_drops_what_is_later() {
        let folder = tempfile::tempdir().unwrap();
        let (path, whole) = written(folder.path());
        let (_, dropped) = MetricsWriter::resume(&path, 20).unwrap();
        assert_eq!(dropped, 1);
        assert!(whole.starts_with(&fs::read(&path).unwrap()));
        assert_eq!(read_rows(&path).unwrap().rows.last().unwrap().step, 20);
        assert!(MetricsWriter::create(&path).is_err(), "an existing file is never begun anew");
    }
}

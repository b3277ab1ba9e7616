//! `tensorboard/`: the rows of `metrics.jsonl` once more, as an event file that TensorBoard reads.
//!
//! The file is a list of records (length, checksum of the length, content, checksum of the content; checksums are masked
//! CRC-32C), each an `Event` message of TensorFlow's `event.proto`: the time, the step, and scalars named `train/loss`. A resumed
//! run drops the events after its checkpoint and goes on in the same file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::metrics::{MetricsWriter, Row};
use crate::run_folder::RunFolder;

/// TensorBoard knows event files by `tfevents` in their name.
const FILE: &str = "events.out.tfevents.0000000000.lacuna";
/// What the first event of a file says.
const VERSION: &str = "brain.Event:2";

/// One event that holds scalars.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Seconds since 1970.
    pub wall_time: f64,
    /// The step.
    pub step: u64,
    /// Names and values.
    pub scalars: Vec<(String, f32)>,
}

/// Appends rows to an event file.
#[derive(Debug)]
pub struct EventsWriter {
    path: PathBuf,
    file: File,
    length: u64,
}

impl EventsWriter {
    /// Starts the event file of `folder`, which is made.
    ///
    /// # Errors
    /// [`Error::Io`], also when there is one already.
    pub fn create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let path = folder.join(FILE);
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(Error::io("create", &path))?;
        let mut writer = Self { path, file, length: 0 };
        let mut event = wall_time(now());
        bytes_field(&mut event, 3, VERSION.as_bytes());
        writer.write(&event)?;
        Ok(writer)
    }

    /// Continues the event file of `folder` after `step`: later events, and whatever is damaged, are dropped.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn resume(folder: &Path, step: u64) -> Result<Self> {
        let path = folder.join(FILE);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::create(folder),
            other => other.map_err(Error::io("read", &path))?,
        };
        let mut length = 0;
        for (end, content) in records(&bytes) {
            match event_of(content) {
                Some(event) if event.step <= step => length = end as u64,
                _ => break,
            }
        }
        let file = OpenOptions::new().append(true).open(&path).map_err(Error::io("open", &path))?;
        if length == 0 {
            drop(file);
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            return Self::create(folder);
        }
        file.set_len(length).map_err(Error::io("cut", &path))?;
        Ok(Self { path, file, length })
    }

    /// Appends the values of a row, each named for its split: `train/loss`.
    ///
    /// # Errors
    /// [`Error::Io`], after which the file ends with the row before.
    pub fn append(&mut self, row: &Row) -> Result<()> {
        let mut summary = Vec::new();
        for (name, value) in &row.values {
            let mut scalar = Vec::new();
            bytes_field(&mut scalar, 1, format!("{}/{name}", row.split).as_bytes());
            // simple_value, field 2, four bytes.
            scalar.push((2 << 3) | 5);
            scalar.extend((*value as f32).to_le_bytes());
            bytes_field(&mut summary, 1, &scalar);
        }
        let mut event = wall_time(now());
        event.push(2 << 3);
        varint(&mut event, row.step);
        bytes_field(&mut event, 5, &summary);
        self.write(&event)
    }

    /// Makes all events survive a power cut.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("sync", &self.path))
    }

    fn write(&mut self, content: &[u8]) -> Result<()> {
        let length = (content.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked(&length).to_le_bytes());
        record.extend(content);
        record.extend(masked(content).to_le_bytes());
        if let Err(error) = self.file.write_all(&record) {
            // A full disk may have taken half a record.
            let _ = self.file.set_len(self.length);
            return Err(Error::io("write", &self.path)(error));
        }
        self.length += record.len() as u64;
        Ok(())
    }
}

/// The rows of a run: into `metrics.jsonl` and into its event file.
#[derive(Debug)]
pub struct RunRows {
    metrics: MetricsWriter,
    events: EventsWriter,
}

impl RunRows {
    /// Starts both files.
    ///
    /// # Errors
    /// As [`MetricsWriter::create`].
    pub fn create(folder: &RunFolder) -> Result<Self> {
        let metrics = MetricsWriter::create(&folder.metrics_path())?;
        Ok(Self { metrics, events: EventsWriter::create(&folder.tensorboard_path())? })
    }

    /// Continues both after `step`.
    ///
    /// # Errors
    /// As [`MetricsWriter::resume`].
    pub fn resume(folder: &RunFolder, step: u64) -> Result<Self> {
        let (metrics, _) = MetricsWriter::resume(&folder.metrics_path(), step)?;
        Ok(Self { metrics, events: EventsWriter::resume(&folder.tensorboard_path(), step)? })
    }

    /// Appends a row.
    ///
    /// # Errors
    /// As [`MetricsWriter::append`].
    pub fn append(&mut self, row: &Row) -> Result<()> {
        self.metrics.append(row)?;
        self.events.append(row)
    }

    /// Makes all rows survive a power cut.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.metrics.sync()?;
        self.events.sync()
    }
}

/// The scalars of a run's event folder, in order.
///
/// # Errors
/// [`Error::Io`], or [`Error::Damaged`] where a record's checksum or content is wrong.
pub fn read_events(folder: &Path) -> Result<Vec<Event>> {
    let path = folder.join(FILE);
    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
    let damaged =
        |at: usize| Error::Damaged { path: path.clone(), reason: format!("the record at byte {at} is damaged") };
    let (mut events, mut read) = (Vec::new(), 0);
    for (end, content) in records(&bytes) {
        events.push(event_of(content).ok_or_else(|| damaged(read))?);
        read = end;
    }
    if read < bytes.len() {
        return Err(damaged(read));
    }
    events.retain(|event| !event.scalars.is_empty());
    Ok(events)
}

/// The whole records in turn, with the place where each ends; it stops at the first that is damaged.
fn records(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let length: [u8; 8] = bytes.get(at..at + 8)?.try_into().ok()?;
        let sum = |place: usize| Some(u32::from_le_bytes(bytes.get(place..place.checked_add(4)?)?.try_into().ok()?));
        if sum(at + 8)? != masked(&length) {
            return None;
        }
        let (first, size) = (at + 12, usize::try_from(u64::from_le_bytes(length)).ok()?);
        let last = first.checked_add(size)?;
        let content = bytes.get(first..last)?;
        if sum(last)? != masked(content) {
            return None;
        }
        at = last + 4;
        Some((at, content))
    })
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The beginning of an event.
fn wall_time(seconds: f64) -> Vec<u8> {
    let mut event = vec![(1 << 3) | 1];
    event.extend(seconds.to_le_bytes());
    event
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn bytes_field(out: &mut Vec<u8>, field: u8, content: &[u8]) {
    out.push((field << 3) | 2);
    varint(out, content.len() as u64);
    out.extend(content);
}

/// A field of a message.
enum Field<'a> {
    Number(u64),
    Eight([u8; 8]),
    Bytes(&'a [u8]),
    Four([u8; 4]),
}

/// The fields of a message by their numbers; `None` where it is no message.
fn fields(mut message: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    fn number(message: &mut &[u8]) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = message.split_first()?;
            *message = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = number(&mut message)?;
        let field = match key & 7 {
            0 => Field::Number(number(&mut message)?),
            1 => Field::Eight(message.split_off(..8)?.try_into().ok()?),
            2 => {
                let length = usize::try_from(number(&mut message)?).ok()?;
                Field::Bytes(message.split_off(..length)?)
            }
            5 => Field::Four(message.split_off(..4)?.try_into().ok()?),
            _ => return None,
        };
        found.push((key >> 3, field));
    }
    Some(found)
}

fn event_of(content: &[u8]) -> Option<Event> {
    let mut event = Event { wall_time: 0.0, step: 0, scalars: Vec::new() };
    for field in fields(content)? {
        match field {
            (1, Field::Eight(bytes)) => event.wall_time = f64::from_le_bytes(bytes),
            (2, Field::Number(step)) => event.step = step,
            (5, Field::Bytes(summary)) => {
                for (_, value) in fields(summary)? {
                    let Field::Bytes(value) = value else { return None };
                    let (mut name, mut number) = (String::new(), f32::NAN);
                    for field in fields(value)? {
                        match field {
                            (1, Field::Bytes(bytes)) => name = String::from_utf8(bytes.to_vec()).ok()?,
                            (2, Field::Four(bytes)) => number = f32::from_le_bytes(bytes),
                            _ => {}
                        }
                    }
                    event.scalars.push((name, number));
                }
            }
            _ => {}
        }
    }
    Some(event)
}

/// The checksum of a record: CRC-32C, turned and shifted so that checksums of checksums stay apart.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: records are short.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

#[cfg(test)]
#[path = "tensorboard_tests.rs"]
mod tests;

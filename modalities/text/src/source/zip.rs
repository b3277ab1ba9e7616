//! Zip archives: the list of entries, and the content of one (APPNOTE 6.3, sections 4.3 and 4.4; stored or deflated).

use std::io::{Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

/// Bytes of the record at the end without its remark, and of the longest remark.
const END: usize = 22;
const LONGEST_REMARK: u64 = 0xffff;
/// Bytes of an entry in the list, and in front of its content, without names.
const LISTED: usize = 46;
const LOCAL: usize = 30;

/// An archive that can be read back and forth.
pub(super) struct Zip<R> {
    file: R,
    pub(super) entries: Vec<Entry>,
}

/// A file in it.
pub(super) struct Entry {
    pub(super) name: String,
    /// Bytes of the content.
    pub(super) size: u64,
    /// CRC-32 of the content.
    pub(super) sum: u32,
    method: u16,
    packed: u64,
    offset: u64,
    encrypted: bool,
}

impl<R: Read + Seek> Zip<R> {
    /// Reads the list of entries; the error says what is wrong.
    pub(super) fn open(mut file: R) -> Result<Self, String> {
        let length = file.seek(SeekFrom::End(0)).map_err(|error| error.to_string())?;
        let tail_start = length.saturating_sub(END as u64 + LONGEST_REMARK);
        let tail = at(&mut file, tail_start, (length - tail_start) as usize)?;
        let end = tail.windows(END).rposition(|bytes| bytes.starts_with(b"PK\x05\x06"));
        let end = &tail[end.ok_or("it has no list of its files at the end")?..];
        let (count, bytes, start) = (u16_at(end, 10), u32_at(end, 12), u32_at(end, 16));
        if count == u16::MAX || start == u32::MAX {
            return Err("it is of the large kind (zip64), which is not read: pack it as .tar.gz".to_owned());
        }
        if u64::from(start) + u64::from(bytes) > length {
            return Err("its list of files lies outside of it".to_owned());
        }
        let list = at(&mut file, u64::from(start), bytes as usize)?;
        let (mut rest, mut entries) = (list.as_slice(), Vec::new());
        for _ in 0..count {
            if rest.len() < LISTED || !rest.starts_with(b"PK\x01\x02") {
                return Err("its list of files is cut off".to_owned());
            }
            let name_end = LISTED + usize::from(u16_at(rest, 28));
            let next = name_end + usize::from(u16_at(rest, 30)) + usize::from(u16_at(rest, 32));
            let (Some(name), Some(following)) = (rest.get(LISTED..name_end), rest.get(next..)) else {
                return Err("its list of files is cut off".to_owned());
            };
            entries.push(Entry {
                name: String::from_utf8_lossy(name).into_owned(),
                encrypted: u16_at(rest, 8) & 1 == 1,
                method: u16_at(rest, 10),
                sum: u32_at(rest, 16),
                packed: u32_at(rest, 20).into(),
                size: u32_at(rest, 24).into(),
                offset: u32_at(rest, 42).into(),
            });
            rest = following;
        }
        Ok(Self { file, entries })
    }

    /// The content of an entry.
    pub(super) fn read(&mut self, number: usize) -> Result<Box<dyn Read + '_>, String> {
        let entry = &self.entries[number];
        if entry.encrypted {
            return Err(format!("`{}` is encrypted", entry.name));
        }
        let local = at(&mut self.file, entry.offset, LOCAL)?;
        if !local.starts_with(b"PK\x03\x04") {
            return Err(format!("`{}` is not where the list says", entry.name));
        }
        let names = u64::from(u16_at(&local, 26)) + u64::from(u16_at(&local, 28));
        let start = entry.offset + LOCAL as u64 + names;
        self.file.seek(SeekFrom::Start(start)).map_err(|error| error.to_string())?;
        let packed = (&mut self.file).take(entry.packed);
        match entry.method {
            0 => Ok(Box::new(packed)),
            8 => Ok(Box::new(DeflateDecoder::new(packed))),
            other => Err(format!("`{}` is packed by method {other}; only deflate (8) is read", entry.name)),
        }
    }
}

/// `length` bytes from `start` on.
fn at(file: &mut (impl Read + Seek), start: u64, length: usize) -> Result<Vec<u8>, String> {
    file.seek(SeekFrom::Start(start)).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes).map_err(|_| "it is cut off".to_owned())?;
    Ok(bytes)
}

/// Little-endian numbers; the caller has looked after the length.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

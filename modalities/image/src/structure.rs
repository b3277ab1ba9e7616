//! What the bytes of a picture say before anything is decoded: its format, its size, whether they are all there.
//!
//! Decoders differ in what they do at the end of a cut-off file: some fill the rest with grey and say nothing. So the ends
//! are looked for here, at the cost of a walk over the bytes.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;

/// A format of single pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG, baseline and progressive.
    Jpeg,
    /// PNG of any depth.
    Png,
    /// WebP, lossy and lossless; of an animated one the first picture.
    WebP,
}

/// Format and size, before a rotation that the picture may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The format, by the first bytes, whatever the file is called.
    pub format: Format,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Pixels from left to right.
    pub width: u32,
}

const PNG: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];

/// Reads the head of a picture and looks for its end.
///
/// # Errors
/// Why it is no picture, or not a whole one, in words.
pub fn head(bytes: &[u8]) -> Result<Head, String> {
    let (format, (height, width)) = if bytes.starts_with(&[0xff, 0xd8]) {
        (Format::Jpeg, jpeg(bytes)?)
    } else if bytes.starts_with(&PNG) {
        (Format::Png, png(bytes)?)
    } else if bytes.len() >= 12 && bytes.starts_with(b"RIFF") && &bytes[8..12] == b"WEBP" {
        (Format::WebP, webp(bytes)?)
    } else if bytes.is_empty() {
        return Err("it is empty".to_owned());
    } else {
        return Err("it is no JPEG, PNG or WebP picture".to_owned());
    };
    if height == 0 || width == 0 {
        return Err(format!("it says that it has {height} × {width} pixels"));
    }
    Ok(Head { format, height, width })
}

fn cut_off(bytes: &[u8]) -> String {
    format!("it is cut off after {} bytes", bytes.len())
}

/// Height and width of the first frame header; the end marker must follow the last scan.
fn jpeg(bytes: &[u8]) -> Result<(u32, u32), String> {
    let (mut at, mut size) = (2, None);
    loop {
        // Between segments, and after the coded data of a scan, stands 0xff (any number of them) and a marker.
        let Some(found) = bytes[at..].iter().position(|byte| *byte == 0xff) else { return Err(cut_off(bytes)) };
        at += found;
        while bytes.get(at) == Some(&0xff) {
            at += 1;
        }
        let Some(marker) = bytes.get(at) else { return Err(cut_off(bytes)) };
        at += 1;
        match marker {
            // Coded data hold 0xff as 0xff 0x00, and restart markers.
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            0xd9 => break,
            _ => {
                let Some(length) = bytes.get(at..at + 2).map(|two| usize::from(two[0]) << 8 | usize::from(two[1]))
                else {
                    return Err(cut_off(bytes));
                };
                // Frame headers are 0xc0 to 0xcf, but for tables (0xc4, 0xcc) and a reserved one (0xc8).
                if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) && size.is_none() {
                    let Some(frame) = bytes.get(at + 3..at + 7) else { return Err(cut_off(bytes)) };
                    let number = |high: u8, low: u8| u32::from(high) << 8 | u32::from(low);
                    size = Some((number(frame[0], frame[1]), number(frame[2], frame[3])));
                }
                at += length.max(2);
                if at > bytes.len() {
                    return Err(cut_off(bytes));
                }
            }
        }
    }
    size.ok_or_else(|| "it is a JPEG file without a picture in it".to_owned())
}

/// Height and width; every chunk up to the end chunk must be there with its check sum.
fn png(bytes: &[u8]) -> Result<(u32, u32), String> {
    let number = |at: usize| bytes.get(at..at + 4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
    let (Some(width), Some(height)) = (number(16), number(20)) else { return Err(cut_off(bytes)) };
    if &bytes[12..16] != b"IHDR" {
        return Err("it is a damaged PNG file: it does not begin with its head".to_owned());
    }
    let mut at = PNG.len();
    loop {
        let Some(length) = number(at).map(|length| length as usize) else { return Err(cut_off(bytes)) };
        let Some(chunk) = at.checked_add(8 + length).and_then(|end| bytes.get(at + 4..end)) else {
            return Err(cut_off(bytes));
        };
        let Some(sum) = number(at + 8 + length) else { return Err(cut_off(bytes)) };
        let mut crc = flate2::Crc::new();
        crc.update(chunk);
        if crc.sum() != sum {
            return Err(format!("it is damaged: the check sum of the chunk at byte {at} is not that of its content"));
        }
        if chunk.starts_with(b"IEND") {
            return Ok((height, width));
        }
        at += 12 + length;
    }
}

/// Height and width; the file must be as long as its head says.
fn webp(bytes: &[u8]) -> Result<(u32, u32), String> {
    let length = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
    if bytes.len() - 8 < length {
        return Err(cut_off(bytes));
    }
    let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| format!("it is damaged: {error}"))?;
    let (width, height) = decoder.dimensions();
    Ok((height, width))
}

//! From the bytes of a file to pixels: grey or three colours, upright, 8 bits, without transparency.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, Limits};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::structure::{Format, Head, head};

/// A picture: u8 `[height, width, channels]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
    /// Numbers of a pixel: 1 grey, 3 red, green and blue.
    pub channels: usize,
    /// The numbers, row by row, pixel by pixel.
    pub pixels: Vec<u8>,
}

/// What pixels are made of a file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeSettings {
    /// 1: grey, 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601); 3: red, green, blue.
    pub channels: usize,
    /// What shows through where a picture is transparent: red, green, blue.
    pub background: [u8; 3],
    /// Pictures of more pixels are not decoded: a file of some kB can ask for many GB.
    pub most_pixels: u64,
}

/// Format and size of a picture that is whole and not too large.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn checked_head(bytes: &[u8], settings: &DecodeSettings) -> Result<Head, String> {
    let head = head(bytes)?;
    let pixels = u64::from(head.height) * u64::from(head.width);
    if pixels > settings.most_pixels {
        return Err(format!(
            "its {} × {} pixels are more than `most_pixels`, {}",
            head.height, head.width, settings.most_pixels
        ));
    }
    Ok(head)
}

/// Decodes a JPEG, PNG or WebP picture.
///
/// 16 bits are rounded to 8; transparency is blended with the background; a rotation or reflection that EXIF asks for is
/// carried out.
///
/// # Errors
/// What is wrong with it, in words: not a picture, damaged, cut off, too large.
pub fn decode(bytes: &[u8], settings: &DecodeSettings) -> Result<Picture, String> {
    let head = checked_head(bytes, settings)?;
    let read = || match head.format {
        Format::Jpeg => jpeg(bytes, settings),
        Format::Png => {
            let limits = limits(settings);
            read(PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(damaged)?, settings)
        }
        Format::WebP => read(WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?, settings),
    };
    // Decoders are written for damaged files, and still a panic in one must not end a run that leaves such files out.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("it is damaged: its decoder gave up".to_owned()))
}

fn damaged(error: impl std::fmt::Display) -> String {
    format!("it is damaged: {error}")
}

/// Room for the pixels at 16 bits and what decoders keep beside them.
fn limits(settings: &DecodeSettings) -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(settings.most_pixels.saturating_mul(16).saturating_add(1 << 24));
    limits
}

fn jpeg(bytes: &[u8], settings: &DecodeSettings) -> Result<Picture, String> {
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let (Some((width, height)), Some(space)) = (decoder.dimensions(), decoder.input_colorspace()) else {
        return Err("it is damaged: it has no size".to_owned());
    };
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let (out, color) = match space {
        ColorSpace::Luma => (ColorSpace::Luma, ColorType::L8),
        _ => (ColorSpace::RGB, ColorType::Rgb8),
    };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(out));
    let mut pixels = vec![0; height * width * usize::from(color.channel_count())];
    decoder.decode_into(&mut pixels).map_err(damaged)?;
    let picture = converted(height, width, color, pixels, settings)?;
    Ok(picture.turned(orientation.unwrap_or(Orientation::NoTransforms)))
}

fn read(mut decoder: impl ImageDecoder, settings: &DecodeSettings) -> Result<Picture, String> {
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let ((width, height), color) = (decoder.dimensions(), decoder.color_type());
    let bytes = usize::try_from(decoder.total_bytes()).map_err(damaged)?;
    let mut pixels = vec![0; bytes];
    decoder.read_image(&mut pixels).map_err(damaged)?;
    Ok(converted(height as usize, width as usize, color, pixels, settings)?.turned(orientation))
}

/// 8 bits, no transparency, as many channels as are asked for.
fn converted(
    height: usize,
    width: usize,
    color: ColorType,
    pixels: Vec<u8>,
    settings: &DecodeSettings,
) -> Result<Picture, String> {
    let (pixels, from) = match color {
        ColorType::L8 => (pixels, 1),
        ColorType::La8 => (pixels, 2),
        ColorType::Rgb8 => (pixels, 3),
        ColorType::Rgba8 => (pixels, 4),
        ColorType::L16 => (halved(&pixels), 1),
        ColorType::La16 => (halved(&pixels), 2),
        ColorType::Rgb16 => (halved(&pixels), 3),
        ColorType::Rgba16 => (halved(&pixels), 4),
        other => return Err(format!("its pixels are of the kind {other:?}, which is not read")),
    };
    let picture = |channels, pixels| Picture { height, width, channels, pixels };
    let opaque = match from {
        2 => {
            let below = grey(settings.background);
            picture(1, pixels.chunks_exact(2).map(|pixel| blended(pixel[0], below, pixel[1])).collect())
        }
        4 => {
            let blend = |pixel: &[u8]| [0, 1, 2].map(|at| blended(pixel[at], settings.background[at], pixel[3]));
            picture(3, pixels.chunks_exact(4).flat_map(blend).collect())
        }
        channels => picture(channels, pixels),
    };
    Ok(opaque.with_channels(settings.channels))
}

/// 16-bit numbers in the machine's order, rounded to 8 bits.
fn halved(pixels: &[u8]) -> Vec<u8> {
    let number = |two: &[u8]| u32::from(u16::from_ne_bytes([two[0], two[1]]));
    pixels.chunks_exact(2).map(|two| ((number(two) * 255 + 32767) / 65535) as u8).collect()
}

fn blended(above: u8, below: u8, alpha: u8) -> u8 {
    let (above, below, alpha) = (u32::from(above), u32::from(below), u32::from(alpha));
    ((above * alpha + below * (255 - alpha) + 127) / 255) as u8
}

fn grey(pixel: [u8; 3]) -> u8 {
    // The weights times 2^16, rounded so that they add up to it.
    let [red, green, blue] = pixel.map(u32::from);
    ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16) as u8
}

impl Picture {
    /// The same in grey (1) or three colours (3).
    #[must_use]
    pub fn with_channels(self, channels: usize) -> Self {
        let pixels = match (self.channels, channels) {
            (1, 3) => self.pixels.iter().flat_map(|level| [*level; 3]).collect(),
            (3, 1) => self.pixels.chunks_exact(3).map(|pixel| grey([pixel[0], pixel[1], pixel[2]])).collect(),
            _ => return self,
        };
        Self { channels, pixels, ..self }
    }

    /// The same turned as EXIF says.
    fn turned(self, orientation: Orientation) -> Self {
        let code = orientation.to_exif();
        if code <= 1 {
            return self;
        }
        let Self { height, width, channels, .. } = self;
        let (rows, columns) = if code >= 5 { (width, height) } else { (height, width) };
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for row in 0..rows {
            for column in 0..columns {
                let (from_row, from_column) = match code {
                    2 => (row, width - 1 - column),
                    3 => (height - 1 - row, width - 1 - column),
                    4 => (height - 1 - row, column),
                    5 => (column, row),
                    6 => (height - 1 - column, row),
                    7 => (height - 1 - column, width - 1 - row),
                    _ => (column, width - 1 - row),
                };
                let at = (from_row * width + from_column) * channels;
                pixels.extend_from_slice(&self.pixels[at..at + channels]);
            }
        }
        Self { height: rows, width: columns, channels, pixels }
    }
}

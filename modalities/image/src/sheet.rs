//! Pictures of one size side by side on a sheet, as a PNG file for people to look at.

use image::ImageEncoder;
use image::codecs::png::PngEncoder;

use crate::error::{Error, Result};

/// Pixels between pictures.
const GAP: usize = 1;
/// Small pictures are enlarged by whole factors up to about this side, and few of them up to this width of all.
const SIDE: usize = 64;
const WIDTH: usize = 192;

/// A sheet of pictures, each f32 `[channels, height, width]` with levels from 0 (black) to 1; what lies beyond is cut off. There are
/// `columns` in a row. One channel is shown as grey, three as red, green and blue, of another number the mean as grey.
///
/// # Errors
/// When there is no picture, or one has another size.
pub fn sheet(pictures: &[Vec<f32>], [channels, height, width]: [usize; 3], columns: usize) -> Result<Vec<u8>> {
    let plane = height * width;
    let unfit = |reason: String| Error::Unreadable { place: "a sheet of pictures".to_owned(), reason };
    if let Some(odd) = pictures.iter().find(|picture| picture.len() != channels * plane || picture.is_empty()) {
        return Err(unfit(format!("a picture has {} numbers, not {channels} · {height} · {width}", odd.len())));
    }
    if pictures.is_empty() || columns == 0 {
        return Err(unfit("there is nothing to show".to_owned()));
    }
    let columns = columns.min(pictures.len());
    let zoom = (SIDE / height.max(width)).max(WIDTH / (columns * width)).max(1);
    let [tall, wide] = [height, width].map(|side| side * zoom + GAP);
    let [rows_of_pixels, pixels_across] = [pictures.len().div_ceil(columns) * tall + GAP, columns * wide + GAP];
    let colours = if channels == 3 { 3 } else { 1 };
    let mut sheet = vec![u8::MAX; rows_of_pixels * pixels_across * colours];
    for (number, picture) in pictures.iter().enumerate() {
        let (top, left) = (number / columns * tall + GAP, number % columns * wide + GAP);
        for place in 0..plane * zoom * zoom {
            let (row, column) = (place / (width * zoom), place % (width * zoom));
            let source = row / zoom * width + column / zoom;
            let level = |colour: usize| match colours {
                3 => picture[colour * plane + source],
                _ => (0..channels).map(|channel| picture[channel * plane + source]).sum::<f32>() / channels as f32,
            };
            let at = ((top + row) * pixels_across + left + column) * colours;
            for colour in 0..colours {
                sheet[at + colour] = (level(colour) * 255.0).round().clamp(0.0, 255.0) as u8;
            }
        }
    }
    let mut file = Vec::new();
    let kind = if colours == 3 { image::ExtendedColorType::Rgb8 } else { image::ExtendedColorType::L8 };
    let written = PngEncoder::new(&mut file).write_image(&sheet, pixels_across as u32, rows_of_pixels as u32, kind);
    written.map_err(|error| unfit(error.to_string()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn pictures_lie_row_by_row_with_gaps() {
        // Three pictures of 28 × 56 pixels, so that nothing is enlarged: black, half, white with a level beyond.
        let pictures: Vec<Vec<f32>> = [0.0, 0.5, 1.5].map(|level| vec![level; 28 * 56]).into();
        let read = image::load_from_memory(&sheet(&pictures, [1, 28, 56], 2).unwrap()).unwrap().to_luma8();
        assert_eq!(read.dimensions(), (2 * 57 + 1, 2 * 29 + 1));
        let at = |column, row| read.get_pixel(column, row).0[0];
        assert_eq!([at(1, 1), at(56, 28), at(58, 1), at(1, 30)], [0, 0, 128, 255]);
        assert_eq!([at(0, 0), at(57, 1), at(58, 30)], [255; 3]);
    }

    #[test]
    fn small_pictures_are_enlarged_and_three_channels_are_colours() {
        let picture = vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let read = image::load_from_memory(&sheet(&[picture], [3, 2, 2], 8).unwrap()).unwrap().to_rgb8();
        assert_eq!(read.dimensions(), (194, 194));
        assert_eq!(read.get_pixel(96, 96).0, [255, 0, 0]);
        assert_eq!(read.get_pixel(97, 96).0, [0, 255, 0]);
        assert_eq!(read.get_pixel(1, 192).0, [0, 0, 255]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        assert!(sheet(&[], [1, 2, 2], 3).is_err());
        assert!(sheet(&[vec![0.0; 5]], [1, 2, 2], 3).unwrap_err().to_string().contains("5 numbers"));
    }
}

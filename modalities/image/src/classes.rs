//! Maps of classes: pictures that tell of each pixel of a photograph what is seen there, by the number of its class.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::PathBuf;

use image::codecs::png::PngDecoder;
use image::{ExtendedColorType, ImageDecoder};
use rayon::prelude::*;

use crate::source::read;
use crate::structure::{Format, head};
use crate::{Corrupt, DecodeSettings, Error, Index, Picture, Result, SourceSettings};

/// The number of a pixel that belongs to no class.
pub const VOID: u8 = u8::MAX;

/// A map of classes for each picture of an index: the one whose file has the same name but for its ending.
#[derive(Debug)]
pub struct ClassMaps {
    maps: Index,
    /// By picture, the number of its map.
    of_picture: Vec<usize>,
    /// What becomes of each number in a file; `None` for one that is neither a class nor left out.
    meaning: [Option<u8>; 256],
    classes: usize,
}

impl ClassMaps {
    /// Finds the maps of `paths`, which are read as those of [`Index::build`], and looks at each: PNG of 8 bits grey (or IDX), as
    /// large as its picture. Numbers below `classes` are classes, at most 255 of them; those of `ignored`, also below, are
    /// [`VOID`].
    ///
    /// # Errors
    /// A path that cannot be read; a map that is no such file, or of another size; a picture without a map, or with two.
    pub fn build(
        paths: &[PathBuf],
        source: &SourceSettings,
        pictures: &Index,
        (classes, ignored): (usize, &[u8]),
        most_pixels: u64,
    ) -> Result<Self> {
        let decoding = DecodeSettings { channels: 1, background: [0; 3], most_pixels };
        let maps = Index::build(paths, source, decoding, Corrupt::Refuse)?;
        (0..maps.len()).into_par_iter().try_for_each(|map| maps.is_of_classes(map))?;
        let mut numbers = HashMap::new();
        for map in 0..maps.len() {
            if let Some(other) = numbers.insert(stem(maps.name(map)), map) {
                let reason = format!("{} is another map of that name", maps.name(other));
                return Err(Error::ClassMap { place: maps.name(map).to_owned(), reason });
            }
        }
        let of_picture = (0..pictures.len()).map(|picture| {
            let wrong = |reason| Error::ClassMap { place: pictures.name(picture).to_owned(), reason };
            let own = stem(pictures.name(picture));
            let map = *numbers
                .get(&own)
                .ok_or_else(|| wrong(format!("none of the {} maps of classes is called `{own}`", maps.len())))?;
            // A camera held upright turns its picture by a note in the file, which the map need not have.
            let ([rows, columns], size) = (maps.size(map), pictures.size(picture));
            if size != [rows, columns] && size != [columns, rows] {
                let [height, width] = size;
                return Err(wrong(format!("it has {height} × {width} pixels, and its map {rows} × {columns}")));
            }
            Ok(map)
        });
        let of_picture = of_picture.collect::<Result<_>>()?;
        let meaning = std::array::from_fn(|number| {
            let is_class = number < classes.min(usize::from(VOID));
            if ignored.contains(&(number as u8)) { Some(VOID) } else { is_class.then_some(number as u8) }
        });
        Ok(Self { maps, of_picture, meaning, classes })
    }

    /// A hash of all maps in their order.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        self.maps.fingerprint()
    }

    /// The map of a picture of the index, u8 `[height, width]`: numbers of classes, or [`VOID`].
    ///
    /// # Errors
    /// A map that cannot be read, or that holds a number which is no class and not left out.
    ///
    /// # Panics
    /// When there is no such picture.
    pub fn of(&self, picture: usize) -> Result<Picture> {
        let map = self.of_picture[picture];
        let mut read = self.maps.picture(map)?;
        for (place, number) in read.pixels.iter_mut().enumerate() {
            *number = self.meaning[usize::from(*number)].ok_or_else(|| Error::ClassMap {
                place: self.maps.name(map).to_owned(),
                reason: format!(
                    "class {number} in row {}, column {}, and the classes go to {}: name it, or leave it out",
                    place / read.width,
                    place % read.width,
                    self.classes.saturating_sub(1)
                ),
            })?;
        }
        Ok(read)
    }
}

impl Index {
    /// Whether the numbers of a file are those of its pixels: palettes, fewer bits, colours and lossy pictures are not.
    fn is_of_classes(&self, map: usize) -> Result<()> {
        let (file, place) = self.place(map);
        let check = || {
            if place.raw.is_some() {
                return Ok(());
            }
            let bytes = read(file, place)?;
            if head(&bytes)?.format != Format::Png {
                return Err("a map of classes has to be a PNG file: others change numbers".to_owned());
            }
            let decoder = PngDecoder::new(Cursor::new(&bytes)).map_err(|error| format!("it is damaged: {error}"))?;
            match decoder.original_color_type() {
                ExtendedColorType::L8 => Ok(()),
                other => Err(format!("a map of classes has to be grey of 8 bits, and this is {other:?}")),
            }
        };
        check().map_err(|reason| Error::ClassMap { place: self.name(map).to_owned(), reason })
    }
}

/// The name of a file or member without folders and ending; of an IDX file with the picture's number.
fn stem(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    let file = file.rsplit(": ").next().unwrap_or(file);
    let (file, number) = file.split_at(file.find(", picture ").unwrap_or(file.len()));
    format!("{}{number}", file.rsplit_once('.').map_or(file, |(stem, _)| stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_folders_and_endings() {
        for name in ["a/b/street.1.png", "data/maps.tar: train/street.1.png", "maps.tar: street.1.jpg", "street.1.png"]
        {
            assert_eq!(stem(name), "street.1", "{name}");
        }
        assert_eq!(stem("maps/streets-idx3-ubyte.gz, picture 7"), "streets-idx3-ubyte, picture 7");
    }
}

//! Pictures that plugins leave to be looked at, of the first samples of a measurement, put together into sheets.

use std::collections::BTreeMap;

use compute::{DType, Device, ops};

use crate::boundary::Shown;
use crate::data::Levels;
use crate::error::Result;

/// Samples on a sheet.
const SAMPLES: usize = 12;

/// A sheet of pictures as a PNG file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// What it shows.
    pub name: String,
    /// The file.
    pub png: Vec<u8>,
}

/// Pictures of one name so far.
struct Growing {
    name: String,
    /// Channels, height and width of a picture.
    size: [usize; 3],
    /// By the number of the sample, those that stand one below the other.
    samples: BTreeMap<usize, Vec<Vec<f32>>>,
}

/// Sheets on their way.
#[derive(Default)]
pub(super) struct SheetsSoFar {
    sheets: Vec<Growing>,
}

impl SheetsSoFar {
    /// Takes what a batch of the samples `numbers` shows; the sheet has those with the least numbers, however they come in batches.
    pub(super) fn add(&mut self, numbers: &[usize], shown: &[Shown], levels: Option<&Levels>) -> Result<()> {
        if numbers.iter().all(|number| *number >= SAMPLES) {
            return Ok(());
        }
        for Shown { name, pictures, as_pixels } in shown {
            let here = pictures.value().to_device(&Device::Cpu).map_err(compute::Error::from)?;
            let single = ops::cast(&compute::Tensor::constant(here), DType::F32)?;
            let all =
                single.value().flatten_all().and_then(|all| all.to_vec1::<f32>()).map_err(compute::Error::from)?;
            let &[_, rows, channels, height, width] = pictures.dims() else { continue };
            let plane = (channels * height * width).max(1);
            let size = [channels, height, width];
            let of_data = levels.filter(|levels| *as_pixels && levels.size == size);
            let own = match self.sheets.iter().position(|sheet| sheet.name == *name) {
                Some(at) => &mut self.sheets[at],
                None => {
                    self.sheets.push(Growing { name: name.clone(), size, samples: BTreeMap::new() });
                    let last = self.sheets.len() - 1;
                    &mut self.sheets[last]
                }
            };
            if own.size != size {
                continue;
            }
            for (number, pictures) in numbers.iter().zip(all.chunks_exact((rows * plane).max(1))) {
                if *number < SAMPLES {
                    let level = |pixels: &[f32]| of_data.map_or_else(|| pixels.to_vec(), |levels| levels.of(pixels));
                    own.samples.insert(*number, pictures.chunks_exact(plane).map(level).collect());
                }
            }
        }
        Ok(())
    }

    /// The sheets: a column for each sample, one row for each of its pictures.
    pub(super) fn finish(self) -> Result<Vec<Sheet>> {
        let sheet = |Growing { name, size, samples }: Growing| {
            let rows = samples.values().map(Vec::len).max().unwrap_or(0);
            let row = |row: usize| samples.values().filter_map(move |pictures| pictures.get(row).cloned());
            let pictures: Vec<Vec<f32>> = (0..rows).flat_map(row).collect();
            Ok(Sheet { name, png: modality_image::sheet(&pictures, size, samples.len())? })
        };
        self.sheets.into_iter().filter(|sheet| !sheet.samples.is_empty()).map(sheet).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn shown(values: &[f32], dims: &[usize], as_pixels: bool) -> Shown {
        let pictures = compute::Tensor::from_slice(values, dims, &Device::Cpu).unwrap();
        Shown { name: "a".into(), pictures, as_pixels }
    }

    #[test]
    fn samples_stand_side_by_side_in_their_order_whatever_the_batches() {
        let levels = Levels::from_json(r#"{"channels":1,"height":1,"width":1,"mean":[0.5],"std":[0.5]}"#).unwrap();
        let sheets = |batches: &[(&[usize], &[f32])]| {
            let mut sheets = SheetsSoFar::default();
            for (numbers, values) in batches {
                let shown = shown(values, &[numbers.len(), 2, 1, 1, 1], true);
                sheets.add(numbers, &[shown], Some(&levels)).unwrap();
            }
            sheets.finish().unwrap()
        };
        let whole = sheets(&[(&[0, 1, 99], &[-1.0, 1.0, 0.0, 0.5, 0.3, 0.3])]);
        assert_eq!(whole, sheets(&[(&[99], &[0.3, 0.3]), (&[1], &[0.0, 0.5]), (&[0], &[-1.0, 1.0])]));
        let expected = modality_image::sheet(&[0.0, 0.5, 1.0, 0.75].map(|level| vec![level]), [1, 1, 1], 2).unwrap();
        assert_eq!(whole, [Sheet { name: "a".into(), png: expected }]);
    }

    #[test]
    fn levels_are_shown_as_they_are() {
        let mut sheets = SheetsSoFar::default();
        sheets.add(&[0], &[shown(&[0.25, 1.0], &[1, 1, 1, 1, 2], false)], None).unwrap();
        let expected = modality_image::sheet(&[vec![0.25, 1.0]], [1, 1, 2], 1).unwrap();
        assert_eq!(sheets.finish().unwrap()[0].png, expected);
        assert!(SheetsSoFar::default().finish().unwrap().is_empty());
    }
}

//! Pictures of a few coloured Gaussian blobs with noise over them.

use std::collections::BTreeMap;

use experiment::DataImage;
use philox::Key;

use super::noise::add_noise;
use crate::boundary::ColumnData;
use crate::data::source::{BatchColumn, Source};
use crate::error::Result;

/// Blobs of a picture.
const BLOBS: u64 = 5;
/// Standard deviation of the noise on each pixel.
const NOISE: f32 = 0.1;

/// Pictures by number, f32 `[c, h, w]` around 0 with a variance of about 1.
#[derive(Debug, Clone)]
pub struct SyntheticImages {
    settings: DataImage,
    first: u64,
    count: usize,
}

impl SyntheticImages {
    /// The pictures `first..first + count`.
    #[must_use]
    pub fn new(settings: &DataImage, first: u64, count: usize) -> Self {
        Self { settings: settings.clone(), first, count }
    }

    /// The pixels `[c, h, w]` of picture `id`.
    #[must_use]
    pub fn pixels(&self, id: u64) -> Vec<f32> {
        let DataImage { seed, height, width, channels, .. } = self.settings;
        let key = Key::root(seed).stream("synthetic image").at(id);
        let mut pixels = vec![0.0; channels * height * width];
        for blob in 0..BLOBS {
            let key = key.stream("blob").at(blob);
            let size = 0.1 + 0.25 * key.uniform(2);
            // A Gaussian over both axes is the product of one over each.
            let (rows, columns) = (bell(key.uniform(0), size, height), bell(key.uniform(1), size, width));
            for (channel, plane) in pixels.chunks_mut(height * width).enumerate() {
                let colour = (1.2 * key.normal(3 + channel as u64)) as f32;
                for (row, pixels) in rows.iter().zip(plane.chunks_mut(width)) {
                    let level = colour * row;
                    pixels.iter_mut().zip(&columns).for_each(|(pixel, column)| *pixel += level * column);
                }
            }
        }
        add_noise(&mut pixels, key.stream("noise"), NOISE);
        pixels
    }
}

/// exp(−(x − centre)² / 2 size²) at the middle of each of `count` pixels between 0 and 1.
fn bell(centre: f64, size: f64, count: usize) -> Vec<f32> {
    (0..count)
        .map(|place| {
            let distance = ((place as f64 + 0.5) / count as f64 - centre) / size;
            (-0.5 * distance * distance).exp() as f32
        })
        .collect()
}

impl Source for SyntheticImages {
    fn modality(&self) -> &'static str {
        "image"
    }

    fn len(&self) -> usize {
        self.count
    }

    /// One row for a picture: into how many patches a model cuts it is the model's to say.
    fn length(&self, _: usize) -> usize {
        1
    }

    fn id(&self, sample: usize) -> u64 {
        self.first + sample as u64
    }

    fn read(&self, sample: usize, _: Option<Key>) -> Result<BTreeMap<String, ColumnData>> {
        Ok(BTreeMap::from([("image.pixels".to_owned(), ColumnData::F32(self.pixels(self.id(sample)).into()))]))
    }

    fn batch_columns(&self) -> Vec<BatchColumn> {
        let DataImage { height, width, channels, .. } = self.settings;
        vec![BatchColumn::Stacked("image.pixels", vec![channels, height, width])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> SyntheticImages {
        let settings = DataImage {
            source: experiment::DataSource::Synthetic,
            seed: 1,
            height: 16,
            width: 24,
            channels: 3,
            ..DataImage::default()
        };
        SyntheticImages::new(&settings, 7, 50)
    }

    #[test]
    fn a_picture_is_a_function_of_seed_and_number() {
        let images = images();
        assert_eq!((images.len(), images.id(3), images.length(3)), (50, 10, 1));
        assert_eq!(images.pixels(10), images.pixels(10));
        assert_ne!(images.pixels(10), images.pixels(11));
        let later = SyntheticImages::new(&images.settings, 10, 1);
        assert_eq!(format!("{:?}", later.read(0, None)), format!("{:?}", images.read(3, None)));
        let other = SyntheticImages::new(&DataImage { seed: 2, ..images.settings.clone() }, 7, 1);
        assert_ne!(images.pixels(10), other.pixels(10));
    }

    #[test]
    fn pictures_are_smooth_and_of_unit_size() {
        let images = images();
        let all: Vec<f32> = (0..50).flat_map(|id| images.pixels(id)).collect();
        let mean = all.iter().sum::<f32>() / all.len() as f32;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / all.len() as f32;
        assert!(mean.abs() < 0.5 && (0.5..2.0).contains(&variance), "{mean} {variance}");
        let step = all.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum::<f32>() / all.len() as f32;
        assert!(step < 0.2 * variance, "neighbours differ by {step} at a variance of {variance}");
    }
}

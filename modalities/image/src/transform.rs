//! From a decoded picture to the numbers that a model sees.

use philox::Key;

use crate::{Crop, Filter, Geometry, Jitter, Picture};

/// What is done to every picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    /// Height and width of what comes out.
    pub size: [usize; 2],
    /// How pixels between pixels are made.
    pub filter: Filter,
    /// Which part is shown.
    pub crop: Crop,
    /// Share of the pictures that are mirrored.
    pub flip: f64,
    /// How far colours move.
    pub jitter: Jitter,
    /// For each channel what is taken away, where black is 0 and white 1.
    pub mean: Vec<f32>,
    /// For each channel what is divided by afterwards.
    pub std: Vec<f32>,
}

impl Transform {
    /// The numbers of a picture, f32 `[channels, height, width]`, all draws going by `key`.
    ///
    /// # Errors
    /// As [`Transform::views`].
    pub fn apply(&self, picture: &Picture, key: Key) -> Result<Vec<f32>, String> {
        Ok(self.views(picture, &[self.size], key)?.remove(0))
    }

    /// Several views of one picture, each f32 `[channels, height, width]` of its own size: the same part, mirrored or not
    /// together, their colours changed alike.
    ///
    /// # Errors
    /// A size of 0, or as many means and deviations as there are no channels, in words.
    pub fn views(&self, picture: &Picture, sizes: &[[usize; 2]], key: Key) -> Result<Vec<Vec<f32>>, String> {
        if self.mean.len() != picture.channels || self.std.len() != picture.channels {
            let (means, deviations) = (self.mean.len(), self.std.len());
            return Err(format!("{means} means and {deviations} deviations for {} channels", picture.channels));
        }
        let geometry = Geometry::draw(&self.crop, self.flip, self.size, [picture.height, picture.width], key);
        let changes = self.jitter.draw(key);
        let view = |size: &[usize; 2]| {
            let view = geometry.apply(picture, *size, self.filter)?;
            if changes.is_empty() {
                return Ok(self.normalised(&view));
            }
            let mut planes = planes(&view, |_, level| f32::from(level) / 255.0);
            changes.iter().for_each(|change| change.apply(&mut planes, view.channels));
            let of_channel = size[0] * size[1];
            for (channel, plane) in planes.chunks_exact_mut(of_channel.max(1)).enumerate() {
                let (mean, std) = (self.mean[channel], self.std[channel]);
                plane.iter_mut().for_each(|x| *x = (*x - mean) / std);
            }
            Ok(planes)
        };
        sizes.iter().map(view).collect()
    }

    /// The numbers of the classes that [`Transform::apply`] shows of the picture with the same key, u8 `[height, width]`, for the
    /// picture's map of the same size.
    ///
    /// # Errors
    /// A size of 0, in words.
    pub fn classes(&self, map: &Picture, key: Key) -> Result<Vec<u8>, String> {
        let geometry = Geometry::draw(&self.crop, self.flip, self.size, [map.height, map.width], key);
        Ok(geometry.apply_to_classes(map, self.size)?.pixels)
    }

    /// There are only 256 different numbers in each channel: they are looked up.
    fn normalised(&self, picture: &Picture) -> Vec<f32> {
        let tables: Vec<[f32; 256]> = (0..picture.channels)
            .map(|channel| std::array::from_fn(|level| (level as f32 / 255.0 - self.mean[channel]) / self.std[channel]))
            .collect();
        planes(picture, |channel, level| tables[channel][usize::from(level)])
    }
}

/// `[channels, height, width]` of `[height, width, channels]`.
fn planes(picture: &Picture, number: impl Fn(usize, u8) -> f32) -> Vec<f32> {
    let (channels, count) = (picture.channels, picture.height * picture.width);
    let mut planes = vec![0.0; channels * count];
    for (channel, plane) in planes.chunks_exact_mut(count.max(1)).enumerate() {
        for (out, pixel) in plane.iter_mut().zip(picture.pixels.chunks_exact(channels)) {
            *out = number(channel, pixel[channel]);
        }
    }
    planes
}

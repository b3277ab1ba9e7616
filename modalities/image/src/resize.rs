//! Resizing as Pillow does it: the filter grows with the reduction, so that no pixel is passed over.

use std::cell::RefCell;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::Picture;

/// How pixels between pixels are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// A triangle.
    Bilinear,
    /// Keys 1981 with a = −1/2, over four pixels.
    Bicubic,
    /// None are made: each is the one of the picture at its place, index ⌊(i + 1/2) · size / new size⌋. For classes.
    Nearest,
}

thread_local! {
    /// Keeps its buffers from picture to picture.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

impl Picture {
    /// The same at another size; as it is where that is its own.
    ///
    /// # Errors
    /// A size of 0, in words.
    pub fn resized(self, height: usize, width: usize, filter: Filter) -> Result<Self, String> {
        if (height, width) == (self.height, self.width) {
            return Ok(self);
        }
        if height == 0 || width == 0 || self.height == 0 || self.width == 0 {
            return Err(format!("{} × {} pixels cannot become {height} × {width}", self.height, self.width));
        }
        let kind = if self.channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
        let algorithm = match filter {
            Filter::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
            Filter::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
            Filter::Nearest => ResizeAlg::Nearest,
        };
        let options = ResizeOptions::new().resize_alg(algorithm).use_alpha(false);
        let words = |error: &dyn std::fmt::Display| format!("it cannot be resized: {error}");
        let from = ImageRef::new(self.width as u32, self.height as u32, &self.pixels, kind).map_err(|e| words(&e))?;
        let mut to = Image::new(width as u32, height as u32, kind);
        RESIZER
            .with_borrow_mut(|resizer| resizer.resize(&from, &mut to, Some(&options)))
            .map_err(|error| words(&error))?;
        Ok(Self { height, width, channels: self.channels, pixels: to.into_vec() })
    }
}

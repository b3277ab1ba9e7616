//! Codes back to pictures, by the tokenizer that a run learnt them from.

use compute::Tensor;
use compute::layout::Layout;

use crate::boundary::{Call, Content};
use crate::data::Levels;
use crate::error::{Error, Result};
use crate::features::numbers_of;
use crate::models::Opened;

/// A tokenizer of pictures, opened.
pub struct PictureCodes<'a> {
    tokenizer: &'a Opened,
    levels: Levels,
    /// Codes of a picture.
    pub patches: usize,
    /// Side of a patch in pixels.
    patch_size: usize,
    /// The names of the labels that its pictures had; empty without.
    pub labels: Vec<String>,
}

impl<'a> PictureCodes<'a> {
    /// Of the first of some models that gives codes for the patches of pictures; `None` where there is none.
    #[must_use]
    pub fn find(opened: &'a [Opened]) -> Option<Self> {
        opened.iter().find_map(|tokenizer| {
            let facts = tokenizer.stored.facts.get("image")?;
            let told: serde_json::Value = serde_json::from_str(facts).ok()?;
            let labels = told["labels"].as_array().into_iter().flatten();
            tokenizer.said("codes")?;
            Some(Self {
                tokenizer,
                levels: Levels::from_json(facts)?,
                patches: tokenizer.said("rows")?,
                patch_size: tokenizer.said("patch_size").filter(|side| *side > 0)?,
                labels: labels.filter_map(|label| label.as_str().map(str::to_owned)).collect(),
            })
        })
    }

    /// The number of a label, by its name or as a number.
    ///
    /// # Errors
    /// When there is no such label.
    pub fn label(&self, told: &str) -> Result<u32> {
        let named = self.labels.iter().position(|label| label == told);
        let number = named.or_else(|| told.parse().ok().filter(|number| *number < self.labels.len()));
        number.map(|number| number as u32).ok_or_else(|| {
            Error::new("config/label", format!("the run's pictures have no label `{told}`")).with_help(
                match self.labels.is_empty() {
                    true => "they have none: leave --label out".to_owned(),
                    false => format!("they have {}", self.labels.join(", ")),
                },
            )
        })
    }

    /// Channels, height and width of a picture.
    #[must_use]
    pub fn size(&self) -> [usize; 3] {
        self.levels.size
    }

    /// The pictures that these codes stand for, levels from 0 to 1 `[channels, height, width]`.
    ///
    /// # Errors
    /// The tokenizer's error.
    pub fn pictures(&self, codes: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let mut pictures = Vec::with_capacity(codes.len());
        for some in codes.chunks(64) {
            let call = Call::new(self.tokenizer.evaluation());
            let codes_m = some.concat();
            let codes_m = Tensor::from_slice(&codes_m, &[codes_m.len()], self.tokenizer.device())?;
            let layout = Layout::new(&vec![self.patches; some.len()], &vec![0; some.len()])?;
            let inputs = [("codes".to_owned(), Content::from(codes_m))];
            let found = self.tokenizer.output(&call, "tokenize", inputs, &layout, "reconstruction")?;
            let numbers = numbers_of(&found)?;
            let each = numbers.len() / some.len();
            pictures
                .extend(numbers.chunks_exact(each.max(1)).map(|patches| self.levels.of(&self.put_together(patches))));
        }
        Ok(pictures)
    }

    /// Pixels `[channels, height, width]` of patches `[l, p · p · c]`: row by row, in each row, column, channel.
    fn put_together(&self, patches: &[f32]) -> Vec<f32> {
        let ([channels, height, width], side) = (self.levels.size, self.patch_size);
        let (across, each) = (width / side, side * side * channels);
        let pixel = |place: usize| {
            let (channel, row, column) = (place / (height * width), place / width % height, place % width);
            let patch = row / side * across + column / side;
            patches[patch * each + ((row % side) * side + column % side) * channels + channel]
        };
        (0..channels * height * width).map(pixel).collect()
    }
}

//! The cases of training: what each one's step multiplies.

use std::path::Path;

use records::{Dtype, TensorFile};

use crate::error::{Error, Result};
use crate::products::Products;

/// A training case: `cases/NAME.toml` and `python/NAME.py`.
#[derive(Clone, Copy)]
pub struct Training {
    /// Its name.
    pub name: &'static str,
    /// Steps of a timed run.
    pub steps: usize,
    /// Adds the products of the step with this batch.
    pub products: fn(&Batch<'_>, &mut Products) -> Result<()>,
    /// Whether texts differ in length, so that the share of real tokens is printed.
    pub ragged: bool,
}

/// The training cases.
pub const TRAINING: [Training; 5] = [
    Training { name: "mlm-step", steps: 13, products: mlm, ragged: false },
    Training { name: "mlm-step-ragged", steps: 43, products: mlm, ragged: true },
    Training { name: "clm-step", steps: 11, products: clm, ragged: false },
    Training { name: "mae-step", steps: 13, products: mae, ragged: false },
    Training { name: "conv-frontend", steps: 28, products: conformer, ragged: false },
];

/// A batch that Lacuna handed over.
pub struct Batch<'a> {
    file: &'a TensorFile,
    step: usize,
}

/// The batches of a case.
pub struct Batches(TensorFile);

impl Batches {
    /// Those in a file of `lacuna data inspect --batches … --output FILE`.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self(TensorFile::open(path)?))
    }

    /// The batch of `step`.
    #[must_use]
    pub fn batch(&self, step: usize) -> Batch<'_> {
        Batch { file: &self.0, step }
    }

    /// The mean products of a step over the steps `range`.
    ///
    /// # Errors
    /// When a column that says the sizes is missing.
    pub fn products(&self, case: &Training, range: std::ops::Range<usize>) -> Result<Products> {
        let (mut products, steps) = (Products::default(), range.len());
        for step in range {
            (case.products)(&self.batch(step), &mut products)?;
        }
        Ok(products.over(steps))
    }

    /// Real tokens of the steps, and tokens with each text padded to the longest of its batch.
    ///
    /// # Errors
    /// When a layout is missing.
    pub fn real_and_padded(&self, range: std::ops::Range<usize>) -> Result<(usize, usize)> {
        let (mut real, mut padded) = (0, 0);
        for step in range {
            let lengths = self.batch(step).lengths()?;
            real += lengths.iter().sum::<usize>();
            padded += lengths.len() * lengths.iter().max().copied().unwrap_or_default();
        }
        Ok((real, padded))
    }
}

impl Batch<'_> {
    /// Lengths of the texts.
    ///
    /// # Errors
    /// When the layout is missing or is none.
    pub fn lengths(&self) -> Result<Vec<usize>> {
        let offsets = self.integers("text.offsets")?;
        Ok(offsets.windows(2).map(|pair| usize::try_from(pair[1] - pair[0]).unwrap_or_default()).collect())
    }

    /// Shape of a column.
    ///
    /// # Errors
    /// When it is missing.
    pub fn shape(&self, column: &str) -> Result<&[usize]> {
        Ok(self.file.view(&format!("{}/{column}", self.step))?.1)
    }

    fn integers(&self, column: &str) -> Result<Vec<i64>> {
        let name = format!("{}/{column}", self.step);
        let (dtype, _, bytes) = self.file.view(&name)?;
        if dtype != Dtype::I64 {
            return Err(Error::Case { case: name, reason: format!("it has type {dtype:?}, not I64") });
        }
        Ok(bytes.chunks_exact(8).map(|eight| i64::from_le_bytes(eight.try_into().unwrap_or_default())).collect())
    }
}

/// BERT 4 × 256, 4 heads, FFN 1024, vocabulary 8192; the head sees the chosen rows only.
fn mlm(batch: &Batch<'_>, products: &mut Products) -> Result<()> {
    let (layers, width, heads, ffn, vocabulary) = (4.0, 256, 4, 1024, 8192);
    let lengths = batch.lengths()?;
    let rows = lengths.iter().sum();
    products.linear(layers, rows, width, 3 * width);
    products.linear(layers, rows, width, width);
    products.linear(layers, rows, width, ffn);
    products.linear(layers, rows, ffn, width);
    texts(products, layers, &lengths, heads, width / heads);
    let chosen = batch.shape("targets")?[0];
    products.linear(1.0, chosen, width, width);
    products.linear(1.0, chosen, width, vocabulary);
    Ok(())
}

/// Llama 6 × 384, 6 heads, SwiGLU 1024, vocabulary 8192.
fn clm(batch: &Batch<'_>, products: &mut Products) -> Result<()> {
    let (layers, width, heads, ffn, vocabulary) = (6.0, 384, 6, 1024, 8192);
    let lengths = batch.lengths()?;
    let rows = lengths.iter().sum();
    products.linear(layers, rows, width, 3 * width);
    products.linear(layers, rows, width, width);
    products.linear(layers, rows, width, 2 * ffn);
    products.linear(layers, rows, ffn, width);
    // Causal: one half of the scores.
    texts(products, layers / 2.0, &lengths, heads, width / heads);
    products.linear(1.0, batch.shape("targets")?[0], width, vocabulary);
    Ok(())
}

/// ViT 6 × 192, 3 heads, on 64 of 256 patches of 48 numbers and a class token; a decoder 2 × 96, 3 heads, on all of them.
fn mae(batch: &Batch<'_>, products: &mut Products) -> Result<()> {
    let (pictures, features) = (batch.shape("mae.keys")?[0], 48);
    let (kept, hidden) = (batch.shape("mae.patches")?[0], batch.shape("mae.targets")?[0]);
    let (shown_rows, all_rows) = (kept + pictures, kept + hidden + pictures);
    let (width, heads, narrow, narrow_heads) = (192, 3, 96, 3);
    products.first_linear(1.0, kept, features, width);
    block(products, 6.0, shown_rows, width);
    products.attention(6.0, pictures * heads, shown_rows / pictures, width / heads);
    products.linear(1.0, shown_rows, width, narrow);
    block(products, 2.0, all_rows, narrow);
    products.attention(2.0, pictures * narrow_heads, all_rows / pictures, narrow / narrow_heads);
    products.linear(1.0, hidden, narrow, features);
    Ok(())
}

/// The linear layers of `layers` blocks of `width` with an MLP four times as wide.
fn block(products: &mut Products, layers: f64, rows: usize, width: usize) {
    products.linear(layers, rows, width, 3 * width);
    products.linear(layers, rows, width, width);
    products.linear(layers, rows, width, 4 * width);
    products.linear(layers, rows, 4 * width, width);
}

/// Log-mel 80 × 400 through two 3 × 3 convolutions of stride 2 with 144 channels, as products over their patches; 4 Conformer
/// blocks × 144, 4 heads; rows compared with 64 units at a width of 256. The depthwise convolution is no matrix product.
fn conformer(batch: &Batch<'_>, products: &mut Products) -> Result<()> {
    let sounds = batch.shape("audio.features")?[0];
    let (layers, width, heads, frames, bins, unit_width, units) = (4.0, 144, 4, 100, 20, 256, 64);
    let rows = sounds * frames;
    products.first_linear(1.0, sounds * 2 * frames * 2 * bins, 9, width);
    products.linear(1.0, rows * bins, 9 * width, width);
    products.linear(1.0, rows, bins * width, width);
    products.linear(2.0 * layers, rows, width, 4 * width);
    products.linear(2.0 * layers, rows, 4 * width, width);
    products.linear(layers, rows, width, 3 * width);
    products.linear(2.0 * layers, rows, width, width);
    products.linear(layers, rows, width, 2 * width);
    products.attention(layers, sounds * heads, frames, width / heads);
    let masked = batch.shape("hubert.masked")?[0];
    products.linear(1.0, masked, width, unit_width);
    products.linear(1.0, masked, unit_width, units);
    Ok(())
}

/// Attention within each text: texts of one length at once.
fn texts(products: &mut Products, times: f64, lengths: &[usize], heads: usize, head_dim: usize) {
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable();
    for equal in sorted.chunk_by(|one, other| one == other) {
        products.attention(times, equal.len() * heads, equal[0], head_dim);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_one_length_are_multiplied_at_once() {
        let (mut apart, mut together) = (Products::default(), Products::default());
        texts(&mut apart, 1.0, &[5, 3, 5], 2, 4);
        together.attention(1.0, 4, 5, 4);
        together.attention(1.0, 2, 3, 4);
        assert_eq!(apart, together);
    }
}

//! Token rows and where they come from.
//!
//! A batch is computed as rows `[n, ..]`, its samples one after the other without padding. A [`Layout`] says which rows form
//! a sample (a *segment*: attention never crosses it), at which position each stands and which key its random draws have.
//! Letters: n rows, b segments, t length of the longest segment.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::kernel::{Arithmetic, arithmetic};
use crate::{DType, Device, Error, Result, Tensor, Value};

/// The rows of a batch. Cloning shares it.
#[derive(Clone)]
pub struct Layout(Arc<Inner>);

struct Inner {
    /// Where segments begin, and behind them the number of rows.
    offsets: Vec<usize>,
    positions: Vec<u32>,
    row_keys: Vec<u64>,
    sequences: Vec<usize>,
    longest: usize,
    equal: bool,
    /// Positions on the CPU.
    positions_cpu: OnceLock<Tensor>,
}

impl Layout {
    /// Segments of these lengths (0 is allowed) with one random key each; positions count from 0 in each segment, and each
    /// segment is a sequence of its own.
    ///
    /// # Errors
    /// When the numbers of lengths and keys differ.
    pub fn new(lengths: &[usize], row_keys: &[u64]) -> Result<Self> {
        if lengths.len() != row_keys.len() {
            return Err(Error::argument(
                "layout",
                format!("{} lengths and {} row keys", lengths.len(), row_keys.len()),
            ));
        }
        let mut offsets = vec![0];
        let mut end = 0;
        for length in lengths {
            end += length;
            offsets.push(end);
        }
        if u32::try_from(end).is_err() {
            return Err(Error::argument("layout", format!("{end} rows are more than a batch may have (2^32 - 1)")));
        }
        let positions = lengths.iter().flat_map(|length| 0..*length as u32).collect();
        Ok(Self(Arc::new(Inner {
            offsets,
            positions,
            row_keys: row_keys.to_vec(),
            sequences: (0..lengths.len()).collect(),
            longest: lengths.iter().copied().max().unwrap_or(0),
            equal: lengths.windows(2).all(|pair| pair[0] == pair[1]),
            positions_cpu: OnceLock::new(),
        })))
    }

    /// The same segments with these positions, one for each row.
    ///
    /// Random draws of a row depend on its position: two rows of one segment at one position draw the same.
    ///
    /// # Errors
    /// When there are not as many positions as rows.
    pub fn with_positions(&self, positions: Vec<u32>) -> Result<Self> {
        if positions.len() != self.tokens() {
            return Err(Error::argument("layout", format!("{} positions for {} rows", positions.len(), self.tokens())));
        }
        Ok(Self(Arc::new(Inner { positions, ..self.parts() })))
    }

    /// The same segments with the number of the packed sequence that each lies in, ascending from 0.
    ///
    /// # Errors
    /// When there are not as many numbers as segments, or they do not ascend.
    pub fn with_sequences(&self, sequences: Vec<usize>) -> Result<Self> {
        if sequences.len() != self.segments() {
            return Err(Error::argument(
                "layout",
                format!("{} sequence numbers for {} segments", sequences.len(), self.segments()),
            ));
        }
        if sequences.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err(Error::argument("layout", "sequence numbers of segments do not ascend"));
        }
        Ok(Self(Arc::new(Inner { sequences, ..self.parts() })))
    }

    fn parts(&self) -> Inner {
        let inner = &*self.0;
        Inner {
            offsets: inner.offsets.clone(),
            positions: inner.positions.clone(),
            row_keys: inner.row_keys.clone(),
            sequences: inner.sequences.clone(),
            longest: inner.longest,
            equal: inner.equal,
            positions_cpu: OnceLock::new(),
        }
    }

    /// The number of rows, n.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.0.positions.len()
    }

    /// The number of segments, b.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.0.row_keys.len()
    }

    /// The length of the longest segment, t; 0 without segments.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.0.longest
    }

    /// The lengths of the segments.
    pub fn lengths(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.0.offsets.windows(2).map(|pair| pair[1] - pair[0])
    }

    /// The length of one segment.
    #[must_use]
    pub fn length(&self, segment: usize) -> usize {
        self.0.offsets[segment + 1] - self.0.offsets[segment]
    }

    /// Where segments begin, and behind them n: b + 1 numbers.
    #[must_use]
    pub fn offsets(&self) -> &[usize] {
        &self.0.offsets
    }

    /// The position of each row.
    #[must_use]
    pub fn positions(&self) -> &[u32] {
        &self.0.positions
    }

    /// The random key of each segment.
    #[must_use]
    pub fn row_keys(&self) -> &[u64] {
        &self.0.row_keys
    }

    /// The packed sequence that each segment lies in.
    #[must_use]
    pub fn sequences(&self) -> &[usize] {
        &self.0.sequences
    }

    /// Whether all segments have one length: padded and packed rows are then the same bytes.
    #[must_use]
    pub fn is_rectangular(&self) -> bool {
        self.0.equal
    }

    /// The segment that a row belongs to; the last one for a row beyond the end.
    #[must_use]
    pub fn segment_of_row(&self, row: usize) -> usize {
        self.0.offsets.partition_point(|offset| *offset <= row).saturating_sub(1).min(self.segments().saturating_sub(1))
    }

    /// The segment of each row, u32 `[n]`.
    ///
    /// # Errors
    /// When the device fails.
    pub fn segments_tensor(&self, device: &Device) -> Result<Tensor> {
        Tensor::from_slice(&self.segment_ids(), &[self.tokens()], device)
    }

    fn segment_ids(&self) -> Vec<u32> {
        self.lengths().enumerate().flat_map(|(segment, length)| std::iter::repeat_n(segment as u32, length)).collect()
    }

    /// The position of each row, u32 `[n]`; made once for the CPU.
    ///
    /// # Errors
    /// When the device fails.
    pub fn positions_tensor(&self, device: &Device) -> Result<Tensor> {
        if !device.is_cpu() {
            return Tensor::from_slice(self.positions(), &[self.tokens()], device);
        }
        if let Some(tensor) = self.0.positions_cpu.get() {
            return Ok(tensor.clone());
        }
        let tensor = Tensor::from_slice(self.positions(), &[self.tokens()], device)?;
        Ok(self.0.positions_cpu.get_or_init(|| tensor).clone())
    }

    /// The rows `[n, ..]` where each segment begins, u32 `[b]`.
    ///
    /// # Errors
    /// When a segment is empty.
    pub fn first_rows(&self, device: &Device) -> Result<Tensor> {
        self.edge_rows("first_rows", device, |range| range.start)
    }

    /// The rows `[n, ..]` where each segment ends, u32 `[b]`.
    ///
    /// # Errors
    /// When a segment is empty.
    pub fn last_rows(&self, device: &Device) -> Result<Tensor> {
        self.edge_rows("last_rows", device, |range| range.end - 1)
    }

    fn edge_rows(
        &self,
        name: &'static str,
        device: &Device,
        row: impl Fn(std::ops::Range<usize>) -> usize,
    ) -> Result<Tensor> {
        if let Some(segment) = self.lengths().position(|length| length == 0) {
            return Err(Error::argument(name, format!("segment {segment} is empty")));
        }
        let rows: Vec<u32> = self.0.offsets.windows(2).map(|pair| row(pair[0]..pair[1]) as u32).collect();
        Tensor::from_slice(&rows, &[rows.len()], device)
    }

    fn require_rows(&self, name: &'static str, tensor: &Tensor) -> Result<()> {
        if tensor.dims().first() == Some(&self.tokens()) {
            return Ok(());
        }
        Err(Error::shape(
            name,
            format!("the tensor {:?} does not have the {} rows of the layout", tensor.dims(), self.tokens()),
        )
        .with_help("a layout goes with the rows it was made for; `rows` converts padded tensors"))
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layout({} rows in {} segments, longest {})", self.tokens(), self.segments(), self.longest())
    }
}

/// `rows [n, ..]` as `[b, t, ..]`, with `fill` behind segments shorter than t.
///
/// # Errors
/// When the rows are not those of the layout.
pub fn pad(rows: &Tensor, layout: &Layout, fill: f64) -> Result<Tensor> {
    layout.require_rows("pad", rows)?;
    let value = padded(rows.value(), layout, fill)?;
    if rows.dtype() == DType::Bool {
        return Ok(Tensor::from_op_constant(value, true));
    }
    let layout = layout.clone();
    Ok(Tensor::from_op("pad", value, &[rows], move |gradient, _| Ok(vec![Some(gathered(gradient, &layout)?)])))
}

/// The real rows `[n, ..]` of `padded [b, t, ..]`.
///
/// # Errors
/// When `padded` does not have the layout's b segments of t places.
pub fn rows(padded_rows: &Tensor, layout: &Layout) -> Result<Tensor> {
    if padded_rows.rank() < 2 || padded_rows.dims()[..2] != [layout.segments(), layout.longest()] {
        let fact =
            format!("{:?} does not begin with [{}, {}]", padded_rows.dims(), layout.segments(), layout.longest());
        return Err(
            Error::shape("rows", fact).with_help("the padded form has the layout's segments, as long as the longest")
        );
    }
    let value = gathered(padded_rows.value(), layout)?;
    if padded_rows.dtype() == DType::Bool {
        return Ok(Tensor::from_op_constant(value, true));
    }
    let layout = layout.clone();
    Ok(Tensor::from_op("rows", value, &[padded_rows], move |gradient, _| {
        Ok(vec![Some(padded(gradient, &layout, 0.0)?)])
    }))
}

/// Which places of the padded form are real: bool `[b, t]`.
///
/// # Errors
/// When the device fails.
pub fn real(layout: &Layout, device: &Device) -> Result<Tensor> {
    let t = layout.longest();
    let bytes: Vec<u8> =
        layout.lengths().flat_map(|length| (0..t).map(move |place| u8::from(place < length))).collect();
    Ok(Tensor::truth(Value::from_vec(bytes, (layout.segments(), t), device)?))
}

/// The sum of each segment's rows: `[n, ..]` to `[b, ..]`, 0 for an empty one; summed in f32 at least.
///
/// # Errors
/// When the rows are not those of the layout or not floating.
pub fn segment_sum(rows: &Tensor, layout: &Layout) -> Result<Tensor> {
    segment_total("segment_sum", rows, layout, None)
}

/// The mean of each segment's rows: `[n, ..]` to `[b, ..]`, 0 for an empty one; summed in f32 at least.
///
/// # Errors
/// As [`segment_sum`].
pub fn segment_mean(rows: &Tensor, layout: &Layout) -> Result<Tensor> {
    let shares: Vec<f64> = layout.lengths().map(|length| 1.0 / length.max(1) as f64).collect();
    segment_total("segment_mean", rows, layout, Some(Value::from_vec(shares, layout.segments(), rows.device())?))
}

fn segment_total(name: &'static str, rows: &Tensor, layout: &Layout, factors: Option<Value>) -> Result<Tensor> {
    layout.require_rows(name, rows)?;
    let dtype = crate::tape::require_float(name, rows)?.candle();
    let sum_type = if dtype == candle_core::DType::F64 { dtype } else { candle_core::DType::F32 };
    let ids = Value::from_vec(layout.segment_ids(), layout.tokens(), rows.device())?;
    let mut shape = rows.dims().to_vec();
    shape[0] = layout.segments();
    let mut one_each = vec![1; shape.len()];
    one_each[0] = shape[0];
    let factors = factors.map(|factors| factors.to_dtype(sum_type)?.reshape(one_each)).transpose()?;
    let source = rows.value().to_dtype(sum_type)?.contiguous()?;
    let mut sums = Value::zeros(&shape[..], sum_type, rows.device())?;
    if layout.tokens() > 0 {
        sums = sums.index_add(&ids, &source, 0)?;
    }
    if let Some(factors) = &factors {
        sums = arithmetic(Arithmetic::Mul, &sums, factors)?;
    }
    let row_shape = rows.dims().to_vec();
    Ok(Tensor::from_op(name, sums.to_dtype(dtype)?, &[rows], move |gradient, _| {
        if row_shape[0] == 0 {
            return Ok(vec![Some(Value::zeros(&row_shape[..], dtype, gradient.device())?)]);
        }
        let mut each = gradient.to_dtype(sum_type)?;
        if let Some(factors) = &factors {
            each = arithmetic(Arithmetic::Mul, &each, factors)?;
        }
        Ok(vec![Some(each.contiguous()?.index_select(&ids, 0)?.to_dtype(dtype)?)])
    }))
}

fn padded(rows: &Value, layout: &Layout, fill: f64) -> Result<Value> {
    let (b, t) = (layout.segments(), layout.longest());
    let mut shape = vec![b, t];
    shape.extend_from_slice(&rows.dims()[1..]);
    if layout.is_rectangular() {
        return Ok(rows.reshape(shape)?);
    }
    let mut gap_shape = rows.dims().to_vec();
    gap_shape[0] = t;
    let gap = Value::full(fill, gap_shape, rows.device())?.to_dtype(rows.dtype())?;
    let mut pieces = Vec::with_capacity(2 * b);
    for (segment, length) in layout.lengths().enumerate() {
        if length > 0 {
            pieces.push(rows.narrow(0, layout.offsets()[segment], length)?);
        }
        if length < t {
            pieces.push(gap.narrow(0, 0, t - length)?);
        }
    }
    Ok(Value::cat(&pieces, 0)?.reshape(shape)?)
}

fn gathered(padded: &Value, layout: &Layout) -> Result<Value> {
    let mut shape = padded.dims()[1..].to_vec();
    shape[0] = layout.tokens();
    if layout.is_rectangular() {
        return Ok(padded.reshape(shape)?);
    }
    let mut pieces = Vec::with_capacity(layout.segments());
    for (segment, length) in layout.lengths().enumerate() {
        if length > 0 {
            pieces.push(padded.get(segment)?.narrow(0, 0, length)?);
        }
    }
    Ok(Value::cat(&pieces, 0)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::testing::{check_gradient, device, numbers, random};

    fn ragged() -> Layout {
        Layout::new(&[3, 0, 1, 2], &[7, 8, 9, 10]).unwrap()
    }

    #[test]
    fn padding_and_back() {
        let layout = ragged();
        let x = Tensor::constant(random(&[6, 2], 1));
        let wide = pad(&x, &layout, -1.0).unwrap();
        assert_eq!(wide.dims(), [4, 3, 2]);
        let flat = numbers(wide.value());
        assert_eq!(flat[6..12], [-1.0; 6]);
        assert_eq!(numbers(rows(&wide, &layout).unwrap().value()), numbers(x.value()));
        let truth = numbers(real(&layout, &device()).unwrap().value());
        assert_eq!(truth, [1., 1., 1., 0., 0., 0., 1., 0., 0., 1., 1., 0.]);
        let ids = Tensor::from_slice(&[5_u32, 6, 7, 8, 9, 10], &[6], &device()).unwrap();
        assert_eq!(
            numbers(pad(&ids, &layout, 3.0).unwrap().value()),
            [5., 6., 7., 3., 3., 3., 8., 3., 3., 9., 10., 3.]
        );
    }

    #[test]
    fn gradients_of_padding_and_segment_sums() {
        let layout = ragged();
        let even = Layout::new(&[2, 2, 2], &[1, 2, 3]).unwrap();
        for layout in [&layout, &even] {
            check_gradient("pad", &[random(&[6, 2], 1)], |x| pad(&x[0], layout, 0.5));
            check_gradient("rows", &[random(&[layout.segments(), layout.longest(), 2], 2)], |x| rows(&x[0], layout));
            check_gradient("segment_sum", &[random(&[6, 2], 3)], |x| segment_sum(&x[0], layout));
            check_gradient("segment_mean", &[random(&[6, 2], 4)], |x| segment_mean(&x[0], layout));
        }
        let x = Tensor::constant(Value::new(&[1.0_f64, 2.0, 6.0, 4.0, 5.0, 7.0], &device()).unwrap());
        assert_eq!(numbers(segment_sum(&x, &layout).unwrap().value()), [9.0, 0.0, 4.0, 12.0]);
        assert_eq!(numbers(segment_mean(&x, &layout).unwrap().value()), [3.0, 0.0, 4.0, 6.0]);
    }

    #[test]
    fn rows_know_their_segment() {
        let layout = ragged();
        assert_eq!((0..6).map(|row| layout.segment_of_row(row)).collect::<Vec<_>>(), [0, 0, 0, 2, 3, 3]);
        assert_eq!(layout.positions(), [0, 1, 2, 0, 0, 1]);
        assert_eq!(layout.lengths().collect::<Vec<_>>(), [3, 0, 1, 2]);
        assert!(layout.first_rows(&device()).unwrap_err().to_string().contains("segment 1 is empty"));
        let full = Layout::new(&[3, 1, 2], &[1, 2, 3]).unwrap();
        assert_eq!(numbers(full.first_rows(&device()).unwrap().value()), [0.0, 3.0, 4.0]);
        assert_eq!(numbers(full.last_rows(&device()).unwrap().value()), [2.0, 3.0, 5.0]);
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let layout = ragged();
        assert!(Layout::new(&[1], &[]).is_err());
        assert!(layout.with_positions(vec![0; 5]).is_err());
        assert!(layout.with_sequences(vec![0, 1, 0, 1]).is_err());
        let error = pad(&Tensor::constant(random(&[5, 2], 1)), &layout, 0.0).unwrap_err().to_string();
        assert!(error.contains("[5, 2]") && error.contains("6 rows"), "{error}");
        assert!(rows(&Tensor::constant(random(&[4, 2, 2], 1)), &layout).is_err());
    }
}

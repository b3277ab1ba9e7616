//! Tensors in plain memory turned, cut and joined, bit for bit.

use records::TensorBytes;

use super::table::Permuted;

/// Bytes of one element.
fn width(tensor: &TensorBytes) -> usize {
    tensor.dtype.bitsize() / 8
}

/// A matrix with its axes swapped; `None` for other ranks.
pub(super) fn transposed(tensor: &TensorBytes) -> Option<TensorBytes> {
    let [rows, columns] = *tensor.shape.as_slice() else { return None };
    let size = width(tensor);
    let mut bytes = Vec::with_capacity(tensor.bytes.len());
    for column in 0..columns {
        for row in 0..rows {
            let start = (row * columns + column) * size;
            bytes.extend_from_slice(&tensor.bytes[start..start + size]);
        }
    }
    Some(TensorBytes { name: tensor.name.clone(), dtype: tensor.dtype, shape: vec![columns, rows], bytes })
}

/// A tensor with its axes in the order `order`; `None` where that is no order of its axes.
pub(super) fn permuted(tensor: &TensorBytes, order: &[usize]) -> Option<TensorBytes> {
    let rank = tensor.shape.len();
    let mut axes = order.to_vec();
    axes.sort_unstable();
    if !axes.into_iter().eq(0..rank) {
        return None;
    }
    let mut strides = vec![1; rank];
    for axis in (1..rank).rev() {
        strides[axis - 1] = strides[axis] * tensor.shape[axis];
    }
    let shape: Vec<usize> = order.iter().map(|axis| tensor.shape[*axis]).collect();
    let size = width(tensor);
    let mut bytes = Vec::with_capacity(tensor.bytes.len());
    for number in 0..shape.iter().product() {
        let (mut rest, mut from) = (number, 0);
        for (axis, extent) in order.iter().zip(&shape).rev() {
            from += rest % extent * strides[*axis];
            rest /= extent;
        }
        bytes.extend_from_slice(&tensor.bytes[from * size..(from + 1) * size]);
    }
    Some(TensorBytes { name: tensor.name.clone(), dtype: tensor.dtype, shape, bytes })
}

/// Theirs of another order of axes as our matrix: all axes after the first joined.
pub(super) fn matrix_of(theirs: &TensorBytes, to: &Permuted) -> Option<TensorBytes> {
    let mut turned = permuted(theirs, &to.order).filter(|_| theirs.shape == to.shape)?;
    turned.shape = vec![*turned.shape.first()?, turned.shape[1..].iter().product()];
    Some(turned)
}

/// The other way: theirs from our matrix.
pub(super) fn from_matrix(ours: &TensorBytes, to: &Permuted) -> Option<TensorBytes> {
    let shape: Vec<usize> = to.order.iter().map(|axis| to.shape.get(*axis).copied()).collect::<Option<_>>()?;
    if ours.shape != [*shape.first()?, shape[1..].iter().product()] {
        return None;
    }
    let mut back = vec![0; to.order.len()];
    to.order.iter().enumerate().for_each(|(at, axis)| back[*axis] = at);
    permuted(&TensorBytes { shape, ..ours.clone() }, &back)
}

/// Bytes in front of an axis (how many blocks) and from it on (how long a block).
fn blocks(tensor: &TensorBytes, axis: usize) -> (usize, usize) {
    let outer = tensor.shape[..axis].iter().product();
    let inner = tensor.shape[axis..].iter().product::<usize>() * width(tensor);
    (outer, inner)
}

/// Part `part` of `of` equal ones along `axis`; `None` where the axis is not there or cannot be divided so.
pub(super) fn cut(tensor: &TensorBytes, axis: usize, part: usize, of: usize) -> Option<TensorBytes> {
    let extent = *tensor.shape.get(axis)?;
    if of == 0 || part >= of || !extent.is_multiple_of(of) {
        return None;
    }
    let (outer, inner) = blocks(tensor, axis);
    let length = inner / of;
    let mut bytes = Vec::with_capacity(outer * length);
    for block in 0..outer {
        let start = block * inner + part * length;
        bytes.extend_from_slice(&tensor.bytes[start..start + length]);
    }
    let mut shape = tensor.shape.clone();
    shape[axis] = extent / of;
    Some(TensorBytes { name: tensor.name.clone(), dtype: tensor.dtype, shape, bytes })
}

/// Tensors of one shape and type behind each other along `axis`; `None` where they differ or there are none.
pub(super) fn joined(parts: &[TensorBytes], axis: usize) -> Option<TensorBytes> {
    let first = parts.first()?;
    if axis >= first.shape.len() || parts.iter().any(|part| part.shape != first.shape || part.dtype != first.dtype) {
        return None;
    }
    let (outer, inner) = blocks(first, axis);
    let mut bytes = Vec::with_capacity(outer * inner * parts.len());
    for block in 0..outer {
        for part in parts {
            bytes.extend_from_slice(&part.bytes[block * inner..(block + 1) * inner]);
        }
    }
    let mut shape = first.shape.clone();
    shape[axis] *= parts.len();
    Some(TensorBytes { name: first.name.clone(), dtype: first.dtype, shape, bytes })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use records::Dtype;

    use super::*;

    fn tensor(shape: &[usize], values: &[u32]) -> TensorBytes {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        TensorBytes { name: "x".into(), dtype: Dtype::U32, shape: shape.into(), bytes }
    }

    #[test]
    fn matrices_turn() {
        let turned = transposed(&tensor(&[2, 3], &[1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(turned, tensor(&[3, 2], &[1, 4, 2, 5, 3, 6]));
        assert_eq!(transposed(&turned).unwrap(), tensor(&[2, 3], &[1, 2, 3, 4, 5, 6]));
        assert_eq!(transposed(&tensor(&[2], &[1, 2])), None);
    }

    #[test]
    fn a_kernel_becomes_a_matrix_and_back() {
        // [output, channel, row, column] of 2, 2, 1, 3; ours goes row, column, channel.
        let kernel = tensor(&[2, 2, 1, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let to = Permuted { shape: vec![2, 2, 1, 3], order: vec![0, 2, 3, 1] };
        let matrix = matrix_of(&kernel, &to).unwrap();
        assert_eq!(matrix, tensor(&[2, 6], &[1, 4, 2, 5, 3, 6, 7, 10, 8, 11, 9, 12]));
        assert_eq!(from_matrix(&matrix, &to).unwrap(), kernel);
        assert_eq!(matrix_of(&tensor(&[2, 6], &[0; 12]), &to), None);
        assert_eq!(from_matrix(&tensor(&[3, 4], &[0; 12]), &to), None);
    }

    #[test]
    fn what_is_cut_can_be_joined() {
        let whole = tensor(&[2, 4], &[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(cut(&whole, 1, 1, 2).unwrap(), tensor(&[2, 2], &[3, 4, 7, 8]));
        assert_eq!(cut(&whole, 0, 1, 2).unwrap(), tensor(&[1, 4], &[5, 6, 7, 8]));
        for (axis, of) in [(0, 2), (1, 2), (1, 4)] {
            let parts: Vec<_> = (0..of).map(|part| cut(&whole, axis, part, of).unwrap()).collect();
            assert_eq!(joined(&parts, axis).unwrap(), whole, "axis {axis}");
        }
        assert_eq!(cut(&whole, 1, 0, 3), None);
        assert_eq!(cut(&whole, 2, 0, 1), None);
        assert_eq!(joined(&[], 0), None);
    }
}

//! A fault of the library below in products, worked around.

use super::*;
use crate::ops::*;

/// A turned batch on the left with one right side for all batches: the library folds the batches into rows as if they lay in order.
#[test]
fn a_turned_left_side_with_one_right_side() {
    let left = crate::testing::random(&[2, 3, 3], 1);
    let right = crate::testing::random(&[1, 3, 3], 2);
    let turned = Tensor::constant(left.transpose(1, 2).unwrap());
    let copied = Tensor::constant(left.transpose(1, 2).unwrap().contiguous().unwrap());
    let wide = Tensor::constant(right.broadcast_as((2, 3, 3)).unwrap());
    let expected = numbers(
        &matmul(&copied, &Tensor::constant(right.broadcast_as((2, 3, 3)).unwrap().contiguous().unwrap())).unwrap(),
    );
    crate::testing::compare("turned", &numbers(&matmul(&turned, &wide).unwrap()), &expected, 1e-12);
    crate::testing::compare("turned", &numbers(&matmul(&turned, &Tensor::constant(right)).unwrap()), &expected, 1e-12);
}

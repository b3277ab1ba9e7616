//! Products against sums written out, at odd sizes and strides.

use super::*;

/// Numbers that no pattern of a wrong index reproduces.
fn numbers<T: Real>(count: usize, seed: u32) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        T::of(f64::from(state >> 8) / f64::from(1 << 24) - 0.5)
    };
    (0..count).map(|_| next()).collect()
}

fn element<T: Real>(matrix: Matrix<T>, row: usize, column: usize) -> f64 {
    matrix.data[row * matrix.strides.0 + column * matrix.strides.1].to_f64()
}

fn written_out<T: Real>(a: Matrix<T>, b: Matrix<T>, row: usize, column: usize) -> f64 {
    (0..a.columns).map(|inner| element(a, row, inner) * element(b, inner, column)).sum()
}

const SIZES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (1, 64, 300),
    (7, 65, 257),
    (97, 144, 513),
    (13, 50, 17),
    (200, 33, 600),
    (385, 16, 64),
    (6, 129, 1000),
    (260, 200, 40),
];

fn agrees<T: Real + std::fmt::Debug>(tolerance: f64) {
    for (m, n, k) in SIZES {
        let (a, b) = (numbers::<T>(m * (k + 3), 1), numbers::<T>(k * (n + 2), 2));
        let left = [
            Matrix::new(&a, m, k, k + 3),
            Matrix::new(&a, k, m, m).transposed(),
            Matrix::with_strides(&a, m, k, (1, m)),
        ];
        let right = [Matrix::new(&b, k, n, n + 2), Matrix::new(&b, n, k, k).transposed()];
        for (a, b) in left.into_iter().flat_map(|a| right.map(|b| (a, b))) {
            for (keep, parallel) in [(false, true), (true, false)] {
                let stride = n + 5;
                let before = numbers::<T>(m * stride, 3);
                let mut out = before.clone();
                product(&mut out, stride, keep, T::of(0.5), a, b, parallel);
                for row in 0..m {
                    for column in 0..n {
                        let old = if keep { before[row * stride + column].to_f64() } else { 0.0 };
                        let expected = old + 0.5 * written_out(a, b, row, column);
                        let found = out[row * stride + column].to_f64();
                        assert!((found - expected).abs() < tolerance, "{m} x {n} x {k}: {found} for {expected}");
                    }
                    // Nothing beside the product is touched.
                    assert_eq!(
                        &out[row * stride + n..(row + 1) * stride],
                        &before[row * stride + n..(row + 1) * stride]
                    );
                }
            }
        }
    }
}

#[test]
fn products_agree_with_sums_written_out() {
    agrees::<f32>(1e-4);
    agrees::<f64>(1e-10);
}

#[test]
fn what_follows_sees_every_row_once_and_complete() {
    for (m, n, k) in SIZES {
        let (a, b) = (numbers::<f32>(m * k, 1), numbers::<f32>(k * n, 2));
        let (a, b) = (Matrix::new(&a, m, k, k), Matrix::new(&b, k, n, n));
        let plain = new_product(a, b);
        let (first, second) = new_product_and(a, b, |row, rows, second| {
            for (index, (x, y)) in rows.iter_mut().zip(second).enumerate() {
                *y = *x * 2.0;
                *x += (row * n + index) as f32;
            }
        });
        for (index, plain) in plain.iter().enumerate() {
            assert_eq!(first[index], plain + index as f32);
            assert_eq!(second[index], plain * 2.0);
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let (m, n, k) = (500, 130, 700);
    let (a, b) = (numbers::<f32>(m * k, 1), numbers::<f32>(k * n, 2));
    let (a, b) = (Matrix::new(&a, k, m, m).transposed(), Matrix::new(&b, n, k, k).transposed());
    let of = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| new_product(a, b))
    };
    assert_eq!(of(1), of(3));
}

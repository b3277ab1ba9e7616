//! Correlations of numbers.

/// The linear correlation, from −1 to 1; NaN where one of the two is constant or there are fewer than two samples.
#[must_use]
pub fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let samples = a.len().min(b.len());
    let mean = |values: &[f64]| values[..samples].iter().sum::<f64>() / samples as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        both += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    if of_a == 0.0 || of_b == 0.0 {
        return f64::NAN;
    }
    (both / (of_a.sqrt() * of_b.sqrt())).clamp(-1.0, 1.0)
}

/// The correlation of ranks (Spearman 1904), ties sharing their mean rank; NaN as [`pearson`].
#[must_use]
pub fn spearman(a: &[f64], b: &[f64]) -> f64 {
    pearson(&ranks(a), &ranks(b))
}

/// The rank of each value, from 1 for the smallest; equal values share the mean of their ranks. NaN ranks last.
#[must_use]
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let mut end = first + 1;
        // Compared as numbers: 0 and −0 are ties.
        while end < order.len() && values[order[end]] == values[order[first]] {
            end += 1;
        }
        let rank = (first + end + 1) as f64 / 2.0;
        order[first..end].iter().for_each(|place| ranks[*place] = rank);
        first = end;
    }
    ranks
}

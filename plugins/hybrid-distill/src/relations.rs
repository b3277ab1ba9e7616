//! Relations between the patches of a picture, in the heads of one layer.

use plugin_api::prelude::*;

/// Rows of one part of attention, queries, keys or values, of all pictures: `[b, h, t, k]` for h heads over the t patches of each.
///
/// `rows_nhk` may have other heads: their features are put side by side and divided anew. `places_m` are the rows of the patches,
/// as many of each of `pictures`.
#[track_caller]
pub(crate) fn heads(rows_nhk: &Tensor, places_m: &Tensor, pictures: usize, heads: usize) -> Result<Tensor> {
    let features: usize = rows_nhk.dims()?[1..].iter().product();
    let rows_mf = rows_nhk.reshape(&[-1, features as i64]).index_select(0, places_m);
    let divided = rows_mf.reshape(&[pictures as i64, -1, heads as i64, (features / heads) as i64]);
    Ok(divided.permute(&[0, 2, 1, 3]).contiguous())
}

/// ln softmax(a bᵀ / √k) `[b, h, t, t]` of `[b, h, t, k]`: each row says how much a patch has to do with each of those that are
/// there.
#[track_caller]
pub(crate) fn log_relations(a_bhtk: &Tensor, b_bhtk: &Tensor) -> Result<Tensor> {
    let scale = 1.0 / (a_bhtk.dim(-1)? as f64).sqrt();
    Ok((a_bhtk.matmul(b_bhtk.transpose(-1, -2)) * scale).log_softmax())
}

/// KL of the student's relations from the teacher's, for each picture `[b]`: the mean over heads and rows.
#[track_caller]
pub(crate) fn divergence(teacher_bhtt: &Tensor, student_bhtt: &Tensor) -> Tensor {
    let gap_bhtt = teacher_bhtt.exp() * (teacher_bhtt - student_bhtt);
    gap_bhtt.sum_axes(&[-1], false).mean_axes(&[1, 2], false)
}

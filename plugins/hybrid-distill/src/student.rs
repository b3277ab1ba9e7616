//! The student's way through its layers, with ever fewer patches.

use plugin_api::prelude::*;

use crate::dropping;
use crate::vision::Vision;

/// What came of it.
pub(crate) struct Walked {
    /// Rows of the patches that were left at the end, `[b · t, d]`.
    pub(crate) hidden_md: Tensor,
    /// Those patches of each picture.
    pub(crate) kept: Vec<Vec<usize>>,
    /// Queries, keys and values `[n, h, k]` of the layer that was asked for, the rows of the patches among `n`, and which of each
    /// picture these were.
    pub(crate) parts: [Tensor; 3],
    pub(crate) places_m: Tensor,
    pub(crate) kept_at_parts: Vec<Vec<usize>>,
}

/// Runs the layers; before the first, and after a third and two thirds of them, each picture keeps the share `keep` of its patches,
/// those whose mean cosine with its others is least.
pub(crate) fn walk(student: &Vision, pixels_bchw: &Tensor, keys_b: &Tensor, keep: f64, at: usize) -> Result<Walked> {
    let pictures = keys_b.count()?;
    let borders = [0, student.layers / 3, student.layers * 2 / 3, student.layers];
    let counts = dropping::counts(student.patches, keep, 3);
    let mut kept: Vec<Vec<usize>> = vec![(0..student.patches).collect(); pictures];
    let whole = student.layout(keys_b, student.patches)?;
    let pass = student.model.pass(&whole).workflow("image").input("pixels", pixels_bchw).layers(0..0);
    let mut x_nd = pass.run()?.hidden().clone();
    let mut found = None;
    for (border, count) in borders.windows(2).zip(counts) {
        if count < kept[0].len() {
            x_nd = dropped(student, &x_nd, &mut kept, count)?;
        }
        let layout = student.layout(keys_b, kept[0].len())?;
        let positions: Vec<i64> = kept.iter().flatten().map(|patch| *patch as i64).collect();
        let positions_m = Tensor::new(&positions, &[positions.len()]);
        let names = Vision::parts(at);
        let here = (border[0]..border[1]).contains(&at);
        let pass = student.model.pass(&layout).workflow("image").hidden(&x_nd).input("positions", &positions_m);
        let pass = pass.layers(border[0]..border[1]);
        let pass = names.iter().filter(|_| here).fold(pass, |pass, name| pass.want(name));
        let output = pass.run()?;
        if here {
            let [query, key, value] = names.each_ref().map(|name| output.get(name).cloned());
            found = Some(([query?, key?, value?], kept.clone()));
        }
        x_nd = output.hidden().clone();
    }
    let (parts, kept_at_parts) =
        found.ok_or_else(|| Error::new("plugin/layer", format!("the student has no layer {at}")))?;
    let places = |kept: &[Vec<usize>]| patches_among(student, kept[0].len(), pictures);
    Ok(Walked {
        hidden_md: x_nd.index_select(0, places(&kept)),
        parts,
        places_m: places(&kept_at_parts),
        kept,
        kept_at_parts,
    })
}

/// The rows of patches among all rows, where each picture has `patches`.
fn patches_among(student: &Vision, patches: usize, pictures: usize) -> Tensor {
    let of = |picture: usize| {
        let first = picture * student.rows(patches) + student.class_rows;
        (first..first + patches).map(|row| row as i64)
    };
    let rows: Vec<i64> = (0..pictures).flat_map(of).collect();
    Tensor::new(&rows, &[rows.len()])
}

/// Rows `[n, d]` without those of the patches most like the others, which leave `kept` too.
fn dropped(student: &Vision, x_nd: &Tensor, kept: &mut [Vec<usize>], count: usize) -> Result<Tensor> {
    let (pictures, before) = (kept.len(), kept[0].len());
    let patches_md = x_nd.stop_gradient().index_select(0, patches_among(student, before, pictures)).cast(DType::F32);
    let unit_btd = patches_md.normalized(1e-6).reshape(&[pictures as i64, before as i64, -1]);
    // Σ over the others of the cosine is that with the sum of all, less its own: 1.
    let sum_b1d = unit_btd.sum_axes(&[1], true);
    let likeness_bt = (&unit_btd * sum_b1d).sum_axes(&[-1], false) - 1.0;
    let likeness = likeness_bt.to_vec::<f32>()?;
    let mut rows = Vec::<i64>::new();
    for (picture, own) in kept.iter_mut().enumerate() {
        let first = picture * student.rows(before);
        rows.extend((first..first + student.class_rows).map(|row| row as i64));
        let places = dropping::kept(&likeness[picture * before..(picture + 1) * before], count);
        rows.extend(places.iter().map(|place| (first + student.class_rows + place) as i64));
        *own = places.into_iter().map(|place| own[place]).collect();
    }
    Ok(x_nd.index_select(0, Tensor::new(&rows, &[rows.len()])))
}

//! The contrastive loss among masked rows, and how unevenly codes are used.
//!
//! Baevski et al. 2020, arXiv:2006.11477, section 3.2, equations 3 and 4. Axes: c masked rows, e width of the comparison, j candidates of
//! a row (its own first), n rows, g codebooks, v codes.

use plugin_api::prelude::*;

/// What a candidate that is no distractor loses: next to cosines over any temperature in use e to its power is 0.
const OUT: f64 = -1e9;

/// Logits `[c, j]` of the candidates of each masked row: the cosine of context `[c, e]` and target `[c, e]` over `temperature`.
/// `candidates_cj` (i64) are places among the masked rows, a row's own first; one of the same codes `chosen_cg` is none.
pub(crate) fn contrastive_logits(
    context_ce: &Tensor,
    targets_ce: &Tensor,
    chosen_cg: &Tensor,
    candidates_cj: &Tensor,
    temperature: f64,
) -> Result<Tensor> {
    let cosines_cc = context_ce.normalized(1e-8).linear(targets_ce.normalized(1e-8), None, None);
    let logits_cj = cosines_cc.gather(1, candidates_cj) / temperature;
    let [rows, candidates] = candidates_cj.dims()?[..] else {
        return Err(Error::data("candidates are places [rows, candidates]"));
    };
    let others: Vec<bool> = (0..candidates).map(|place| place > 0).collect();
    let mut same_cj = Tensor::new(&others, &[1, candidates]).expand(&[rows, candidates]);
    let flat = candidates_cj.reshape(&[-1]);
    for book in 0..chosen_cg.dim(1)? {
        let own_c1 = chosen_cg.narrow(1, book, 1);
        let theirs_cj = own_c1.index_select(0, &flat).reshape(&[rows as i64, candidates as i64]);
        same_cj = &same_cj & &theirs_cj.eq(&own_c1);
    }
    Ok(logits_cj.fill_where(&same_cj, OUT))
}

/// (g·v − Σ over codebooks of e^H)/(g·v) of the mean shares: 0 where all codes are as likely, near 1 where one is. A scalar of
/// `shares_ngv`.
pub(crate) fn diversity(shares_ngv: &Tensor) -> Result<Tensor> {
    let [_, books, codes] = shares_ngv.dims()?[..] else {
        return Err(Error::data("shares are [rows, codebooks, codes]"));
    };
    let all = (books * codes) as f64;
    Ok((all - perplexities(&shares_ngv.mean_axes(&[0], false)).sum()) / all)
}

/// e^H of shares `[g, v]`: `[g]`, from 1 to v.
pub(crate) fn perplexities(shares_gv: &Tensor) -> Tensor {
    // x ln x is 0 at 0.
    let log_gv = shares_gv.clamp(1e-30, f64::INFINITY).log();
    (-(shares_gv * log_gv).sum_axes(&[-1], false)).exp()
}

//! Logits to probabilities, with classifier-free guidance where there is a second opinion.

/// Guided logits u + (1 + w)(c − u): the model with the prompt against the same model without it. Nie et al. 2024,
/// arXiv:2410.18514, section 4: no training for it, since masked diffusion has seen hidden prompts.
#[must_use]
pub fn guided(conditional: &[f32], unconditional: &[f32], guidance: f64) -> Vec<f32> {
    let combine = |(&c, &u): (&f32, &f32)| (f64::from(u) + (1.0 + guidance) * f64::from(c - u)) as f32;
    conditional.iter().zip(unconditional).map(combine).collect()
}

/// Rows of `width` logits as probabilities; the token `never` gets none.
pub fn softmax(logits: &mut [f32], width: usize, never: u32) {
    for row in logits.chunks_exact_mut(width) {
        if let Some(logit) = row.get_mut(never as usize) {
            *logit = f32::NEG_INFINITY;
        }
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|logit| *logit = (*logit - highest).exp());
        let total: f64 = row.iter().map(|share| f64::from(*share)).sum();
        row.iter_mut().for_each(|share| *share = (f64::from(*share) / total) as f32);
    }
}

//! Settings that do not fit together.

use plugin_api::prelude::*;

use super::{Positions, TransformerSettings};

impl TransformerSettings {
    /// Refuses settings that do not fit together.
    ///
    /// # Errors
    /// The first misfit, with its numbers.
    pub fn check(&self) -> Result<()> {
        let (width, num_heads) = (self.width, self.num_heads);
        if self.head_dim == Some(0) {
            return Err(Error::setting("head_dim", "is 0").help("leave it out for `width / num_heads`"));
        }
        if self.head_dim.is_none() && !width.is_multiple_of(num_heads) {
            return Err(Error::setting("width", format!("is {width}, which {num_heads} heads cannot share evenly"))
                .help(format!("choose a multiple of {num_heads}, another `num_heads`, or give `head_dim`")));
        }
        let groups = self.key_value_heads();
        if groups == 0 || !num_heads.is_multiple_of(groups) {
            let fact = format!("is {groups}, which does not divide the {num_heads} query heads");
            return Err(Error::setting("num_key_value_heads", fact)
                .help("several query heads share one key and value head: choose a divisor of `num_heads`"));
        }
        if self.ffn_width == Some(0) {
            return Err(Error::setting("ffn_width", "is 0").help("leave it out for the usual multiple of `width`"));
        }
        let head_dim = self.head_dim();
        if self.positions == "rotary" && !head_dim.is_multiple_of(2) {
            return Err(Error::setting(
                "positions",
                format!("is `rotary`, which turns pairs, and a head is {head_dim} wide"),
            )
            .help("make `width / num_heads`, or `head_dim`, even"));
        }
        if self.positions == "sinusoidal" && !width.is_multiple_of(2) {
            let fact = format!("is `sinusoidal`, which needs an even `width`, and that is {width}");
            return Err(Error::setting("positions", fact).help("make `width` even"));
        }
        if self.decoder_layers > 0 && self.causal {
            return Err(Error::setting("decoder_layers", "is given for a causal model")
                .help("an encoder sees its whole text and its decoder is causal: leave out `causal`"));
        }
        if self.score_scale.is_some_and(|scale| !scale.is_finite() || scale <= 0.0) {
            return Err(Error::setting("score_scale", "is not above 0").help("leave it out for 1/√head_dim"));
        }
        self.check_positions()?;
        self.check_heads()
    }

    fn check_positions(&self) -> Result<()> {
        if let Some(bits) = &self.causal_groups {
            let fault = |fact: &str, help: &str| {
                Err(Error::setting("causal_groups", format!("is `{bits}`, {fact}")).help(help.to_owned()))
            };
            if bits.is_empty() || !bits.bytes().all(|bit| matches!(bit, b'0' | b'1')) {
                return fault("which is no list of bits", "write a 0 or 1 for each group of blocks: `0001`");
            }
            if !self.num_layers.is_multiple_of(bits.len()) {
                let fact = format!("whose {} groups cannot share {} blocks evenly", bits.len(), self.num_layers);
                return fault(&fact, "give as many bits as divide `num_layers`");
            }
            if !self.causal {
                return fault("and the model is not causal", "set `causal = true`: the bits open groups of a decoder");
            }
        }
        if self.window == Some(0) {
            return Err(Error::setting("window", "is 0").help("leave it out to see everything"));
        }
        if self.window.is_none() && (self.global_every > 0 || self.local_rotary_base.is_some()) {
            let name = if self.global_every > 0 { "global_every" } else { "local_rotary_base" };
            return Err(Error::setting(name, "is given without a `window`").help("it is about blocks with a window"));
        }
        if self.local_rotary_base.is_some_and(|base| base.is_nan() || base < 1.0) {
            return Err(Error::setting("local_rotary_base", "is less than 1").help("ModernBERT takes 10000"));
        }
        if self.relative_terms().is_some() && self.key_value_heads() != self.num_heads {
            let fact = format!("is {} beside relative positions in scores", self.key_value_heads());
            return Err(Error::setting("num_key_value_heads", fact)
                .help("leave it out: they need as many heads of keys as of queries"));
        }
        if self.relative_terms().is_some() && self.position_kind() == Positions::Alibi {
            return Err(
                Error::setting("relative_terms", "is given beside `positions = \"alibi\"`").help("choose one of both")
            );
        }
        Ok(())
    }

    fn check_heads(&self) -> Result<()> {
        if self.embedding_width == Some(0) {
            return Err(Error::setting("embedding_width", "is 0").help("leave it out for `width`"));
        }
        if self.positions == "sinusoidal" && !self.embedding_width().is_multiple_of(2) {
            let fact = format!("is {}, and sinusoidal positions need an even width", self.embedding_width());
            return Err(Error::setting("embedding_width", fact).help("make it even"));
        }
        if self.tied_head && self.embedding_width() != self.width && !self.has_head_transform() {
            let fact = format!("is {} beside a `width` of {}", self.embedding_width(), self.width);
            return Err(Error::setting("embedding_width", fact)
                .help("a tied head then needs `head_transform = true`, which leads back to that width"));
        }
        if let Some(name) = self.head_activation.as_deref()
            && Activation::from_name(name).is_none()
        {
            return Err(Error::setting("head_activation", format!("is `{name}`"))
                .help(format!("it is one of {}", Activation::NAMES.join(", "))));
        }
        if self.lora_rank > 0 && self.lora_targets.is_empty() {
            return Err(Error::setting("lora_targets", "is empty, so that nothing but heads would learn")
                .help("name some of query, key, value, output"));
        }
        Ok(())
    }
}

//! Settings that do not fit together.

use plugin_api::prelude::*;

use super::TransformerSettings;

impl TransformerSettings {
    /// Refuses settings that do not fit together.
    ///
    /// # Errors
    /// The first misfit, with its numbers.
    pub fn check(&self) -> Result<()> {
        let (width, num_heads) = (self.width, self.num_heads);
        if !width.is_multiple_of(num_heads) {
            return Err(Error::setting("width", format!("is {width}, which {num_heads} heads cannot share evenly"))
                .help(format!("choose a multiple of {num_heads}, or another `num_heads`")));
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
            .help("make `width / num_heads` even"));
        }
        if self.positions == "sinusoidal" && !width.is_multiple_of(2) {
            let fact = format!("is `sinusoidal`, which needs an even `width`, and that is {width}");
            return Err(Error::setting("positions", fact).help("make `width` even"));
        }
        Ok(())
    }
}

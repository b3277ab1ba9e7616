//! The `[objective]` section of an experiment file, and what does not fit together in it.

use plugin_api::prelude::*;

/// Replaced-token detection. The defaults are those of Clark et al. 2020, arXiv:2003.10555.
#[derive(Settings)]
pub struct RtdSettings {
    /// Share of the eligible tokens to replace; special tokens are never eligible.
    #[setting(default = 0.15, range = 0.01..=0.9)]
    pub mask_rate: f64,
    /// Exactly the rounded share of each sample, and at least one token, instead of a draw for each.
    #[setting(default = true)]
    pub exact: bool,
    /// Of the chosen tokens, the share that the generator is shown as the mask token; the rest it sees as it is. ELECTRA
    /// 0.85, DeBERTaV3 1.
    #[setting(default = 0.85, range = 0.0..=1.0)]
    pub masked_share: f64,
    /// Where replacements come from: a `model` in the role `generator`, `tied`: the discriminator itself under a token
    /// head, or `uniform` noise over the ordinary tokens.
    #[setting(default = "model", choices = ["model", "tied", "uniform"])]
    pub generator: String,
    /// How the two models share token, position and type embeddings: not at all, `es`: one table that both train, or
    /// `gdes`: the discriminator learns a difference to the generator's, which it does not change (He et al. 2021,
    /// arXiv:2111.09543, section 3.3). Left out: `es`.
    #[setting(choices = ["none", "es", "gdes"])]
    pub sharing: Option<String>,
    /// Train generator and discriminator in turn, each by an optimizer of its own, instead of by the sum of their losses.
    #[setting(default = false)]
    pub alternating: bool,
    /// Weight of the discriminator's loss.
    #[setting(default = 50.0, above = 0.0)]
    pub discriminator_weight: f64,
    /// Temperature of the distribution that replacements are drawn from.
    #[setting(default = 1.0, range = 0.01..=100.0)]
    pub temperature: f64,
    /// The discriminator learns at every position, instead of at the chosen ones alone (`electra-15` of section 3.5).
    #[setting(default = true)]
    pub everywhere: bool,
    /// The generator never puts the right token.
    #[setting(default = false)]
    pub disallow_correct: bool,
    /// What judges a position: the discriminator family's `scalar` head, or `cls`: a layer over the norm of the position's
    /// state plus that of the first token, as in the code of DeBERTaV3.
    #[setting(default = "scalar", choices = ["scalar", "cls"])]
    pub head: String,
}

/// How two models share their embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Tables of their own.
    None,
    /// One table, trained by both.
    Tied,
    /// The discriminator's is a difference to the generator's.
    Difference,
}

impl RtdSettings {
    /// How embeddings are shared.
    #[must_use]
    pub fn sharing(&self) -> Sharing {
        match self.sharing.as_deref() {
            Some("none") => Sharing::None,
            Some("gdes") => Sharing::Difference,
            _ => Sharing::Tied,
        }
    }

    /// Refuses settings that do not fit together.
    ///
    /// # Errors
    /// The first misfit.
    pub fn check(&self) -> Result<()> {
        if self.generator == "model" {
            return Ok(());
        }
        let lacks = |name, what: &str| {
            let fact = format!("{what}, and with `generator = \"{}\"` there is no second model", self.generator);
            Err(Error::setting(name, fact).help("leave it out, or set `generator = \"model\"`"))
        };
        if self.sharing.is_some() {
            return lacks("sharing", "says how two models share their embeddings");
        }
        if self.alternating {
            return lacks("alternating", "trains two models in turn");
        }
        if self.disallow_correct && self.generator == "uniform" {
            return Err(Error::setting(
                "disallow_correct",
                "is about a generator that learns, and uniform noise does not",
            )
            .help("leave it out"));
        }
        Ok(())
    }
}

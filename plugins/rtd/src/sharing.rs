//! Embeddings that generator and discriminator share.

use plugin_api::prelude::*;

use crate::settings::Sharing;

/// What a description calls the tables that are shared where both models have them.
const TABLES: [&str; 3] = ["word_embeddings", "position_embeddings", "type_embeddings"];

/// Shares the tables of `generator` with `discriminator`.
///
/// # Errors
/// When a family does not name its token embeddings, or the tables of the two have other shapes.
pub(crate) fn share(sharing: Sharing, generator: &Model, discriminator: &Model) -> Result<()> {
    if sharing == Sharing::None {
        return Ok(());
    }
    generator.word_embeddings()?;
    discriminator.word_embeddings()?;
    let (ours, theirs) = (discriminator.describe()?, generator.describe()?);
    for table in TABLES {
        let names = [&ours, &theirs].map(|description| description.get(table).and_then(plugin_api::Json::as_str));
        let [Some(own), Some(base)] = names else { continue };
        let (own, base) = (discriminator.weight(own)?, generator.weight(base)?);
        let (own_dims, base_dims) = (own.dims()?, base.dims()?);
        if own_dims != base_dims {
            let fact = format!(
                "cannot be: the {table} of the generator are {base_dims:?}, those of the discriminator {own_dims:?}"
            );
            return Err(Error::setting("sharing", fact.replace('_', " ")).help(
                "give both models the same `embedding_width` (a narrower model projects it) and `maximum_length`, \
                 or set `sharing = \"none\"`",
            ));
        }
        match sharing {
            Sharing::Difference => own.delta_of(&base)?,
            _ => own.tie(&base)?,
        }
    }
    Ok(())
}

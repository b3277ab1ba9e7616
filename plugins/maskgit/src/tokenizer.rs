//! The frozen tokenizer: pictures to codes, and codes to pictures.

use plugin_api::Json;
use plugin_api::nn::pictures;
use plugin_api::prelude::*;

/// A model in the role `tokenizer` that gives a code for each patch. Axes: b pictures, m patches of all, p features of a patch.
pub(crate) struct Tokenizer {
    model: Model,
    pictures: Pictures,
    patch_size: usize,
    /// Different codes.
    pub(crate) codes: usize,
    /// Codes of a picture.
    pub(crate) patches: usize,
}

impl Tokenizer {
    pub(crate) fn new(scope: &Scope) -> Result<Self> {
        let (model, pictures) = (scope.model("tokenizer")?, scope.pictures()?);
        let described = model.describe()?;
        let number = |name: &str| described.get(name).and_then(Json::as_u64).map(|number| number as usize);
        let (Some(codes), Some(patches), Some(patch_size)) = (number("codes"), number("rows"), number("patch_size"))
        else {
            let fact = "the model `tokenizer` gives no codes";
            return Err(
                Error::new("plugin/family", fact).help("choose a family like `fsq`, trained and `frozen = true`")
            );
        };
        Ok(Self { model, pictures, patch_size, codes, patches })
    }

    /// The codes `[m]` of pictures `[b, c, h, w]`; `keys_b` are those of their draws.
    pub(crate) fn codes(&self, pixels_bchw: &Tensor, keys_b: &Tensor) -> Result<Tensor> {
        let layout = self.layout(keys_b)?;
        let read = self.model.pass(&layout).workflow("tokenize").input("pixels", pixels_bchw).want("codes").run()?;
        Ok(read.get("codes")?.stop_gradient())
    }

    /// The pictures `[b, c, h, w]` that codes `[m]` stand for.
    pub(crate) fn pixels(&self, codes_m: &Tensor, keys_b: &Tensor) -> Result<Tensor> {
        let layout = self.layout(keys_b)?;
        let pass = self.model.pass(&layout).workflow("tokenize").input("codes", codes_m).want("reconstruction");
        let Pictures { height, width, channels } = self.pictures;
        Ok(pictures(pass.run()?.get("reconstruction")?, [channels, height, width], self.patch_size))
    }

    fn layout(&self, keys_b: &Tensor) -> Result<Layout> {
        let pictures = keys_b.count()?;
        Ok(Layout::with_keys(&Tensor::full(&[pictures], self.patches as f64, DType::U32), keys_b))
    }
}

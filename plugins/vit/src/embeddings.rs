//! From pictures, or patches of them, to the rows that enter the first block.

use plugin_api::nn::{Embedding, PatchEmbedding, grid_positions, patches};
use plugin_api::prelude::*;

use crate::settings::VitSettings;

/// Patch embedding, positions, class token.
pub(crate) struct Embeddings {
    patches: Patches,
    class_token: Option<Weight>,
    /// One for each label, the last for none.
    labels: Option<Embedding>,
    mask_token: Option<Weight>,
    positions: Positions,
    pictures: Pictures,
    patch_size: usize,
    width: usize,
    dropout: f64,
}

/// What patches are given as.
enum Patches {
    Pixels(PatchEmbedding),
    Codes(Embedding),
}

enum Positions {
    /// `[1, l + 1, width]`, that of the class token first; without one `[1, l, width]`.
    Stored(Weight),
    /// `[l, width]`; the class token has zeros.
    Computed(Vec<f32>),
    /// Nothing is added.
    None,
}

impl Embeddings {
    pub(crate) fn new(settings: &VitSettings, pictures: Pictures, scope: &Scope) -> Result<Self> {
        let VitSettings { width, patch_size, class_token, dropout, .. } = *settings;
        let (features, at) = (patch_size * patch_size * pictures.channels, scope.at("patch_embeddings"));
        let table =
            |name: &str, count| Embedding::new(&scope.at(name), count, width, Init::Normal(0.02), "codes,width");
        let embedded = if settings.codes > 0 {
            Patches::Codes(table("codes", settings.codes)?)
        } else {
            Patches::Pixels(PatchEmbedding::new(&at.at("projection"), features, width, settings.init())?)
        };
        let labels = (settings.labels > 0).then(|| table("labels", settings.labels + 1)).transpose()?;
        let vector = WeightOptions::new().no_decay();
        let class = class_token
            .then(|| scope.weight_with("cls_token", &[1, 1, width], Init::Normal(0.02), &vector))
            .transpose()?;
        let (rows, columns) = (pictures.height / patch_size, pictures.width / patch_size);
        let mask_token = settings
            .mask_token
            .then(|| {
                scope.weight_with(
                    "mask_token",
                    &[1, 1, width],
                    Init::TruncatedNormal(0.02),
                    &vector.clone().sometimes(),
                )
            })
            .transpose()?;
        let dims = [1, rows * columns + usize::from(class_token), width];
        let stored = |options: &WeightOptions| {
            scope.weight_with("position_embeddings", &dims, Init::Normal(0.02), options).map(Positions::Stored)
        };
        let positions = match settings.positions.as_str() {
            "sincos" => Positions::Computed(grid_positions(rows, columns, width)),
            "fixed" => stored(&vector.clone().frozen())?,
            "none" => Positions::None,
            _ => stored(&vector)?,
        };
        Ok(Self {
            patches: embedded,
            class_token: class,
            labels,
            mask_token,
            positions,
            pictures,
            patch_size,
            width,
            dropout,
        })
    }

    /// Patches from top to bottom and from left to right.
    pub(crate) fn grid(&self) -> [usize; 2] {
        [self.pictures.height / self.patch_size, self.pictures.width / self.patch_size]
    }

    /// Patches of a whole picture.
    pub(crate) fn patches(&self) -> usize {
        self.grid().into_iter().product()
    }

    /// `[n, d]` of the call's `pixels` or `codes` of whole pictures, or of its `patches` at their `positions`.
    pub(crate) fn apply(&self, call: &Forward) -> Result<Tensor> {
        let width = self.width as i64;
        let rows_md = match self.embedded(call)? {
            (rows_md, None) => match self.table(rows_md.dtype()?) {
                Some(table_ld) => {
                    let rows_bld = rows_md.reshape(&[-1, self.patches() as i64, width]);
                    (rows_bld + table_ld.unsqueeze(0)).reshape(&[-1, width])
                }
                None => rows_md,
            },
            (rows_md, Some(positions_m)) => match self.table(rows_md.dtype()?) {
                Some(table_ld) => rows_md + table_ld.index_select(0, positions_m),
                None => rows_md,
            },
        };
        let layout = call.layout();
        Ok(self.with_class_token(&rows_md, call)?.dropout(self.dropout, Some(layout), "embeddings"))
    }

    /// Rows `[m, d]` before positions are added, masked where the call says so; where each stands unless all are given.
    fn embedded(&self, call: &Forward) -> Result<(Tensor, Option<Tensor>)> {
        let (rows_md, positions) =
            match (&self.patches, call.input("pixels")?, call.input("patches")?, call.input("codes")?) {
                (Patches::Pixels(projection), Some(pixels_bchw), None, None) => {
                    let Pictures { channels, height, width, .. } = self.pictures;
                    (projection.apply(&patches(&pixels_bchw, [channels, height, width], self.patch_size))?, None)
                }
                (Patches::Pixels(projection), None, Some(patches_mp), None) => {
                    let Some(positions_m) = call.input("positions")? else {
                        return Err(Error::data("`patches` need the input `positions`")
                            .help("give the number of each patch on its grid, counted row by row, u32 or i64"));
                    };
                    (projection.apply(&patches_mp)?, Some(positions_m))
                }
                (Patches::Codes(table), None, None, Some(codes_m)) => (table.apply(&codes_m), None),
                (Patches::Pixels(_), ..) => {
                    return Err(call
                        .nothing_to_run()
                        .help("give `pixels`, or `patches` with `positions`, or `hidden` for a later layer"));
                }
                (Patches::Codes(_), ..) => {
                    return Err(call.nothing_to_run().help(
                        "it reads codes, as its setting `codes` says: give `codes`, or `hidden` for a later layer",
                    ));
                }
            };
        Ok((self.masked(rows_md, call)?, positions))
    }

    /// Embedded patches `[m, d]` with the mask token where the call's `masked` `[m]` is true; it has no position yet.
    fn masked(&self, rows_md: Tensor, call: &Forward) -> Result<Tensor> {
        let Some(masked_m) = call.input("masked")? else { return Ok(rows_md) };
        let Some(mask_token) = &self.mask_token else {
            return Err(Error::setting("mask_token", "is false, and patches are to be masked")
                .help("set `mask_token = true` for the model"));
        };
        let token_1d = mask_token.tensor().reshape(&[1, self.width as i64]);
        Ok(rows_md.take_where(masked_m.unsqueeze(-1), token_1d))
    }

    /// The positions of the patches `[l, d]`.
    fn table(&self, dtype: DType) -> Option<Tensor> {
        let (patches, width) = (self.patches(), self.width);
        match &self.positions {
            Positions::Computed(table) => Some(Tensor::new(table, &[patches, width]).cast(dtype)),
            Positions::Stored(weight) => {
                let first = usize::from(self.class_token.is_some());
                Some(weight.tensor().reshape(&[-1, width as i64]).narrow(0, first, patches))
            }
            Positions::None => None,
        }
    }

    /// Each picture's class token before its patches.
    fn with_class_token(&self, rows_md: &Tensor, call: &Forward) -> Result<Tensor> {
        let layout = call.layout();
        let Some(class_token) = &self.class_token else { return Ok(rows_md.clone()) };
        let mut class_11d = class_token.tensor();
        if let Positions::Stored(weight) = &self.positions {
            class_11d = class_11d + weight.tensor().narrow(1, 0, 1);
        }
        let pictures = layout.lengths().count()?;
        let (rows, each) = (rows_md.dims()?[0], pictures.max(1));
        if !rows.is_multiple_of(each) {
            return Err(Error::data(format!("{rows} patches cannot be shared evenly by {pictures} pictures"))
                .help("give the same number of patches of each picture"));
        }
        let rows_bkd = rows_md.reshape(&[pictures as i64, (rows / each) as i64, self.width as i64]);
        let mut class_b1d = class_11d.expand(&[pictures, 1, self.width]);
        if let Some(table) = &self.labels {
            let labels_b = match call.input("labels")? {
                Some(labels_b) => labels_b,
                None => Tensor::full(&[pictures], (table.weight().dims()?[0] - 1) as f64, DType::U32),
            };
            class_b1d = class_b1d + table.apply(&labels_b).unsqueeze(1);
        }
        Ok(Tensor::cat(&[class_b1d, rows_bkd], 1).reshape(&[-1, self.width as i64]))
    }
}

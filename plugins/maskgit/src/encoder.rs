//! The model that reads codes with some of them hidden: what learning and decoding share.

use plugin_api::Json;
use plugin_api::prelude::*;

use crate::sampler::Codes;

/// A model of codes in the role `encoder`, with its head. Axes: b pictures, m codes of all, c hidden ones of all, v codes.
pub(crate) struct Encoder {
    model: Model,
    head: Head,
    /// Codes of a picture.
    pub(crate) patches: usize,
    /// Rows before those of the codes.
    pub(crate) class_rows: usize,
    /// Labels that it knows; 0 for none.
    pub(crate) labels: usize,
}

impl Encoder {
    /// The model of the role, for `codes` of a tokenizer where they are known.
    pub(crate) fn new(scope: &Scope, codes: Option<usize>) -> Result<Self> {
        let model = scope.model("encoder")?;
        let described = model.describe()?;
        let number = |name: &str| described.get(name).and_then(Json::as_u64).unwrap_or(0) as usize;
        let flag = |name: &str| described.get(name).and_then(Json::as_bool) == Some(true);
        let wanted = codes.map_or("those of the tokenizer".to_owned(), |codes| codes.to_string());
        let (known, class_rows) = (number("input_codes"), usize::from(flag("class_token")));
        if known == 0 || codes.is_some_and(|codes| codes != known) {
            let fact = format!("the model `encoder` reads {known} codes of a tokenizer");
            return Err(Error::new("plugin/family", fact)
                .help(format!("choose `family = \"vit\"` and set `codes` to {wanted} in [model.encoder]")));
        }
        if !flag("mask_token") {
            let fact = "the model `encoder` has no vector that stands in for hidden codes";
            return Err(Error::new("plugin/family", fact).help("set `mask_token = true` in `[model.encoder]`"));
        }
        let (patches, labels) = (number("rows").saturating_sub(class_rows), number("input_labels"));
        Ok(Self { head: model.code_head(scope, known)?, model, patches, class_rows, labels })
    }

    /// Rows of a picture.
    pub(crate) fn rows(&self) -> usize {
        self.patches + self.class_rows
    }

    /// Logits `[c, v]` of the codes at `rows_c` of the layout; `codes_m`, of which `masked_m` are not seen; `labels_b`, the number
    /// past the last for none, `None` where the model knows no labels.
    pub(crate) fn logits(
        &self,
        layout: &Layout,
        [codes_m, masked_m, rows_c]: [&Tensor; 3],
        labels_b: Option<&Tensor>,
    ) -> Result<Tensor> {
        let mut pass = self.model.pass(layout).workflow("image").input("codes", codes_m).input("masked", masked_m);
        if let Some(labels_b) = labels_b {
            pass = pass.input("labels", labels_b);
        }
        // No loss looks at the other rows.
        self.head.apply(&pass.run()?.hidden().index_select(0, rows_c))
    }

    /// The logits of hidden codes, picture by picture.
    pub(crate) fn logits_of_hidden(&self, pictures: &[Codes], labels: &[Option<u32>]) -> Result<Vec<Vec<f32>>> {
        let (mut codes, mut masked, mut rows) = (Vec::<u32>::new(), Vec::<bool>::new(), Vec::<i64>::new());
        for (number, picture) in pictures.iter().enumerate() {
            codes.extend(picture.iter().map(|code| code.unwrap_or(0)));
            masked.extend(picture.iter().map(Option::is_none));
            let first = number * self.rows() + self.class_rows;
            rows.extend(
                (0..picture.len()).filter(|place| picture[*place].is_none()).map(|place| (first + place) as i64),
            );
        }
        let layout = Layout::new(&Tensor::new(&vec![self.rows() as u32; pictures.len()], &[pictures.len()]));
        let labels: Vec<u32> = labels.iter().map(|label| label.unwrap_or(self.labels as u32)).collect();
        let labels_b = Tensor::new(&labels, &[labels.len()]);
        let read = [
            Tensor::new(&codes, &[codes.len()]),
            Tensor::new(&masked, &[masked.len()]),
            Tensor::new(&rows, &[rows.len()]),
        ];
        let logits_cv = self.logits(&layout, read.each_ref(), (self.labels > 0).then_some(&labels_b))?;
        let (logits, width) = (logits_cv.to_vec::<f32>()?, logits_cv.dim(-1)?);
        let mut rest = logits.as_slice();
        let own = |picture: &Codes| {
            let hidden = picture.iter().filter(|code| code.is_none()).count();
            let (own, behind) = rest.split_at(hidden * width);
            rest = behind;
            own.to_vec()
        };
        Ok(pictures.iter().map(own).collect())
    }
}

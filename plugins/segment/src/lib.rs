//! Semantic segmentation: a class for each pixel, by a linear layer on the rows of the patches.
//!
//! Strudel et al. 2021, arXiv:2105.05633, section 3.2, the linear decoder: scores of classes for each patch, interpolated to the
//! pixels. Axes: b pictures, l patches of a picture, n rows, d width, p pixels of a picture, c pixels of all that have a class, k
//! classes.

use plugin_api::Json;
use plugin_api::metrics::Confusion;
use plugin_api::nn::{Linear, LinearOptions};
use plugin_api::prelude::*;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct SegmentSettings {
    /// Share of the hidden features that is dropped while training.
    #[setting(default = 0.0, range = 0.0..=0.9)]
    dropout: f64,
}

/// The objective.
pub struct Segment {
    encoder: Model,
    head: Linear,
    labels: Vec<String>,
    pictures: Pictures,
    patch_size: usize,
    class_rows: usize,
    dropout: f64,
}

impl Objective for Segment {
    type Settings = SegmentSettings;

    fn new(settings: SegmentSettings, scope: &Scope) -> Result<Self> {
        if let Some(found) = scope.label_kind("image")?.filter(|found| found != "classes") {
            let fact = format!("the data has a label `{found}` for each picture, none for its pixels");
            return Err(Error::new("plugin/labels", fact)
                .help("name the files that hold the classes of the pixels: `maps` in [data.image]"));
        }
        let (pictures, labels, encoder) = (scope.pictures()?, scope.labels("image")?, scope.model("encoder")?);
        let described = encoder.describe()?;
        let size = described.get("patch_size").and_then(Json::as_u64).and_then(|size| usize::try_from(size).ok());
        let class_token = described.get("class_token").and_then(Json::as_bool);
        let (Some(patch_size), Some(class_token)) = (size, class_token) else {
            let fact = "the model `encoder` does not say how it cuts pictures into patches";
            return Err(Error::new("plugin/family", fact).help("choose a family for pictures: `family = \"vit\"`"));
        };
        Ok(Self {
            head: Linear::new(&scope.at("head"), described.width, labels.len(), &LinearOptions::new())?,
            class_rows: usize::from(class_token),
            dropout: settings.dropout,
            encoder,
            labels,
            pictures,
            patch_size,
        })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let layout = Layout::with_keys(&batch.tensor("segment.rows")?, &batch.tensor("segment.keys")?);
        let pixels_bchw = batch.tensor("image.pixels")?;
        let pass = self.encoder.pass(&layout).workflow("image").input("pixels", &pixels_bchw);
        let hidden_nd = pass.run()?.hidden().dropout(self.dropout, Some(&layout), "segmented");
        let scores_pk = self.scores(&hidden_nd, pixels_bchw.dim(0)?)?;
        let targets_c = batch.tensor("segment.targets")?;
        let scores_ck = scores_pk.index_select(0, batch.tensor("segment.seen")?);
        let loss = Loss::sum_over(&scores_ck.cross_entropy(&targets_c));
        if training() {
            return Ok(loss);
        }
        let confusion_bk = self.confusion(&scores_pk, &batch.tensor("image.classes")?);
        Ok(loss.item_for_figures("confusion", &confusion_bk))
    }
}

impl Segment {
    /// Scores of all pixels `[b · p, k]` from rows `[n, d]`, the class token's among them.
    fn scores(&self, hidden_nd: &Tensor, pictures: usize) -> Result<Tensor> {
        let Pictures { height, width, .. } = self.pictures;
        let [rows, columns] = [height / self.patch_size, width / self.patch_size];
        let (patches, classes) = (rows * columns, self.labels.len() as i64);
        let hidden_bnd = hidden_nd.reshape(&[pictures as i64, (patches + self.class_rows) as i64, -1]);
        let scores_blk = self.head.apply(&hidden_bnd.narrow(1, self.class_rows, patches));
        let scores_bkl = scores_blk.transpose(1, 2);
        let scores_bkhw = scores_bkl.reshape(&[pictures as i64, classes, rows as i64, columns as i64]);
        let scores_bkhw = scores_bkhw.upsample_bilinear2d(height, width, false);
        Ok(scores_bkhw.permute(&[0, 2, 3, 1]).reshape(&[-1, classes]))
    }

    /// How often each class `[k]` was taken for each `[k]`, of each picture `[b, k · k]`; pixels of no class are not counted.
    fn confusion(&self, scores_pk: &Tensor, classes_bhw: &Tensor) -> Tensor {
        let (k, pixels) = (self.labels.len(), (self.pictures.height * self.pictures.width) as i64);
        let classes_bp = classes_bhw.reshape(&[-1, pixels]);
        let labelled_bpk = classes_bp.fill_where(classes_bp.lt(0), k as f64).one_hot(k + 1).narrow(-1, 0, k);
        let predicted_bpk = scores_pk.argmax(-1).reshape(&[-1, pixels]).one_hot(k);
        labelled_bpk.transpose(1, 2).matmul(&predicted_bpk).reshape(&[-1, (k * k) as i64])
    }
}

impl Collate for Segment {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let Pictures { height, width, .. } = self.pictures;
        let rows = height * width / self.patch_size.pow(2) + self.class_rows;
        let (mut seen, mut targets, mut keys) = (Vec::<i64>::new(), Vec::<i64>::new(), Vec::new());
        for sample in samples.iter() {
            let first = sample.index() * height * width;
            for (pixel, class) in sample.i64s("image.classes")?.iter().enumerate().filter(|(_, class)| **class >= 0) {
                seen.push((first + pixel) as i64);
                targets.push(*class);
            }
            // Dropout goes by a key that belongs to the picture, whatever else is in the batch.
            keys.push((sample.uniforms("key", 1)?[0] * (1_u64 << 52) as f64) as i64);
        }
        samples.add("segment.seen", &seen)?;
        samples.add("segment.targets", &targets)?;
        samples.add("segment.keys", &keys)?;
        samples.add("segment.rows", &vec![rows as u32; samples.len()])
    }
}

impl Figures for Segment {
    /// Over the pixels of all held-out pictures: `miou`, the mean intersection over union of the classes; the share of pixels that
    /// are right; what naming the commonest class everywhere gives; the intersection over union of each class.
    fn figures(&self, items: &Items) -> Result<Vec<(String, f64)>> {
        let mut confusion = Confusion::new(self.labels.len());
        items.lists("confusion")?.iter().try_for_each(|counts| confusion.add(counts))?;
        let majority = confusion.majority();
        let all = [
            ("miou", confusion.mean_iou()),
            ("pixel_accuracy", confusion.accuracy()),
            ("majority_miou", majority.mean_iou()),
            ("majority_accuracy", majority.accuracy()),
        ];
        let of_classes = self.labels.iter().enumerate().filter_map(|(class, label)| {
            let name: String = label.chars().map(|sign| if sign.is_alphanumeric() { sign } else { '_' }).collect();
            Some((format!("iou_{}", name.to_lowercase()), confusion.iou(class)?))
        });
        Ok(all.map(|(name, figure)| (name.to_owned(), figure)).into_iter().chain(of_classes).collect())
    }
}

export_plugin! { name: "segment", provides: [Objective<Segment>, Collate<Segment>, Figures<Segment>] }

//! `[data.image]`: which pictures, and how they are cut and coloured.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::check::Checked;
use crate::error::Error;
use crate::paths::Places;
use crate::schema::{Field, Kind, Schema};
use crate::sections::in_words;

pub(crate) const HEADER: &str = "[data.image]";
pub(crate) const INTRO: &str = "Which pictures. With `source = \"files\"` they are read from pictures (.png, .jpg, .webp), folders of them, tar archives, parquet \
    tables, jsonl manifests and MNIST's files (NAME-idx3-ubyte), tables and archives also in gzip; `{root}` and `archive.tar#train/*` \
    are as in `[data.text]`. A picture at `CLASS/FILE` below the folder, the archive or the fixed part of `#…` is labelled by that \
    folder; `.cls` and `.json` members of the same name, columns, keys and `-labels-idx1-ubyte` files go before that. The synthetic ones are smooth \
    random blobs of colour with noise, a function of `seed` and the picture's number: enough to try a model's speed and wiring, with \
    nothing to download.";

/// Keys that say something of files alone.
const OF_FILES: [&str; 29] = [
    "files",
    "valid_files",
    "test_files",
    "valid_share",
    "field",
    "label_field",
    "labelled",
    "labels",
    "damaged",
    "most_pixels",
    "background",
    "filter",
    "crop",
    "scale",
    "ratio",
    "padding",
    "flip",
    "jitter",
    "jitter_rate",
    "held_out_crop",
    "held_out_share",
    "mean",
    "std",
    "cache",
    "most_samples",
    "maps",
    "valid_maps",
    "test_maps",
    "maps_ignored",
];
/// Keys that say something of synthetic pictures alone.
const OF_SYNTHETIC: [&str; 3] = ["seed", "samples", "valid_samples"];
/// Keys that hold paths of data.
const FILES: [&str; 6] = ["files", "valid_files", "test_files", "maps", "valid_maps", "test_maps"];

/// The `[data.image]` section; paths are absolute and, but for `cache`, exist.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataImage {
    /// Where pictures come from.
    pub source: Source,
    /// Files, folders, archives, tables or manifests to learn from.
    pub files: Vec<PathBuf>,
    /// The same to measure on.
    pub valid_files: Vec<PathBuf>,
    /// The same to measure on when the run has ended.
    pub test_files: Vec<PathBuf>,
    /// Maps of classes of `files`, one for each picture.
    pub maps: Vec<PathBuf>,
    /// The same of `valid_files`.
    pub valid_maps: Vec<PathBuf>,
    /// The same of `test_files`.
    pub test_maps: Vec<PathBuf>,
    /// Numbers in maps that are no class.
    pub maps_ignored: Vec<u8>,
    /// Share of the pictures held out when there are no `valid_files`, in [0, 1).
    pub valid_share: f64,
    /// At most so many pictures to learn from.
    pub most_samples: Option<usize>,
    /// The column of the picture, or the key of its path.
    pub field: String,
    /// The column or key of the label.
    pub label_field: String,
    /// Whether pictures have labels; `None` where every training picture has one.
    pub labelled: Option<bool>,
    /// All labels in their order; empty means those of the training pictures.
    pub labels: Vec<String>,
    /// What happens with pictures that cannot be read.
    pub damaged: DamagedPictures,
    /// Larger pictures count as damaged.
    pub most_pixels: u64,
    /// Red, green and blue behind transparent pixels.
    pub background: Vec<u8>,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
    /// Colours of a pixel.
    pub channels: usize,
    /// How pictures are resized.
    pub filter: Filter,
    /// Which part of a picture is learned from.
    pub crop: Crop,
    /// Least and largest share of the area.
    pub scale: Vec<f64>,
    /// Least and largest width over height.
    pub ratio: Vec<f64>,
    /// Pixels that a picture is moved by, at most.
    pub padding: usize,
    /// Share of the pictures that are mirrored.
    pub flip: f64,
    /// How far brightness, contrast, saturation and hue move.
    pub jitter: Vec<f64>,
    /// Share of the pictures whose colours move.
    pub jitter_rate: f64,
    /// Which part of a held-out picture is measured on; never random.
    pub held_out_crop: Crop,
    /// Share of the shorter side that is measured on.
    pub held_out_share: f64,
    /// Taken away from each channel; one number counts for all.
    pub mean: Vec<f64>,
    /// What each channel is divided by; one number counts for all.
    pub std: Vec<f64>,
    /// Folder for what is unpacked.
    pub cache: Option<PathBuf>,
    /// What synthetic samples are made from, beside their numbers.
    pub seed: u64,
    /// Synthetic pictures to learn from.
    pub samples: usize,
    /// Further ones to measure on; 0 for none.
    pub valid_samples: usize,
    /// Shuffle the order in each epoch.
    pub shuffle: bool,
}

/// Where pictures or sounds come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Made from random numbers.
    #[default]
    Synthetic,
    /// Read from files.
    Files,
}

/// What happens with pictures that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DamagedPictures {
    /// The run stops and names it.
    #[default]
    Error,
    /// They are left out and counted.
    Skip,
}

/// How pixels between pixels are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names of the filters")]
pub enum Filter {
    #[default]
    Bilinear,
    Bicubic,
}

/// Which part of a picture is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crop {
    /// All of it, its shape changed.
    Stretch,
    /// The middle.
    #[default]
    Centre,
    /// The middle, moved by some pixels.
    Shifted,
    /// A part of random size, shape and place.
    Random,
}

pub(crate) fn schema() -> Schema {
    use Kind::{Bool, Float, Floats, Integer, Integers, Text, Texts};
    let size = |name, doc| Field::new(name, Integer, doc).or(32).at_least(1.0).at_most(4096.0);
    let none = || Json::Array(Vec::new());
    let field = Field::new;
    Schema {
        fields: vec![
            field("source", Text, "Where the pictures come from.").or("synthetic").one_of(&["synthetic", "files"]),
            field("files", Texts, "Files, folders, archives, tables or manifests to learn from.").or(none()),
            field("valid_files", Texts, "The same to measure on.").or(none()),
            field("test_files", Texts, "The same to measure on once, when the run has ended.").or(none()),
            field("maps", Texts, "Files that tell of each pixel of `files` what is seen there, the column `image.classes`: PNG of 8 bits grey whose numbers are places in `labels`, one of the same name and size for each picture, cut and mirrored with it.").or(none()),
            field("valid_maps", Texts, "The same of `valid_files`.").or(none()),
            field("test_maps", Texts, "The same of `test_files`.").or(none()),
            field("maps_ignored", Integers, "Numbers in maps that belong to no class; such pixels are neither learned nor measured.").or(json!([255])).at_least(0.0).at_most(255.0),
            field("valid_share", Float, "Share of the pictures held out to measure on when there are no `valid_files`.").or(0.0).at_least(0.0).less_than(1.0),
            field("most_samples", Integer, "At most so many pictures of the files to learn from, drawn once and for all whatever the run's seed.").optional().at_least(1.0),
            field("field", Text, "The column of the picture in parquet tables (its bytes, or a structure with `bytes`), the key of its path in jsonl manifests.").or("image"),
            field("label_field", Text, "The column or key of the label in parquet, jsonl and `.json` members of an archive.").or("label"),
            field("labelled", Bool, "Whether pictures have labels, the column `image.label`; left out: where every training picture has one.").optional(),
            field("labels", Texts, "All labels in their order; empty means those of the training pictures, sorted. Whole numbers that are no label themselves count them, from 0.").or(none()),
            field("damaged", Text, "What happens when a picture is damaged, cut off or too large: an error with its name, or it is skipped and counted; to know them, every picture is then decoded before the run.").or("error").one_of(&["error", "skip"]),
            field("most_pixels", Integer, "Pictures of more pixels are not decoded and count as damaged.").or(100_000_000).at_least(1.0).at_most(4e9),
            field("background", Integers, "What shows through transparent pixels: red, green, blue.").or(json!([255, 255, 255])).at_least(0.0).at_most(255.0),
            size("height", "Pixels from top to bottom."),
            size("width", "Pixels from left to right."),
            field("channels", Integer, "Colours of a pixel; of files 1 (grey) or 3.").or(3).at_least(1.0).at_most(64.0),
            field("filter", Text, "How pictures are resized, always smoothed as far as they shrink.").or("bilinear").one_of(&["bilinear", "bicubic"]),
            field("crop", Text, "Which part is learned from: all of it, its shape changed; the middle of the picture scaled to cover; that moved by up to `padding` pixels; a random part by `scale` and `ratio`.").or("centre").one_of(&["stretch", "centre", "shifted", "random"]),
            field("scale", Floats, "Of a random part, least and largest share of the area.").or(json!([0.08, 1.0])).more_than(0.0).at_most(1.0),
            field("ratio", Floats, "Of a random part, least and largest width over height.").or(json!([0.75, 4.0 / 3.0])).at_least(0.01).at_most(100.0),
            field("padding", Integer, "Pixels that a shifted picture moves by at most; black comes in.").or(4).at_least(0.0).at_most(1024.0),
            field("flip", Float, "Share of the pictures that are mirrored in training, left to right.").or(0.0).at_least(0.0).at_most(1.0),
            field("jitter", Floats, "In training, how far brightness, contrast, saturation (factors 1 ± this) and hue (a share of the circle, at most 0.5) move.").or(json!([0.0, 0.0, 0.0, 0.0])).at_least(0.0).at_most(10.0),
            field("jitter_rate", Float, "Share of the pictures whose colours move.").or(1.0).at_least(0.0).at_most(1.0),
            field("held_out_crop", Text, "Which part is measured on.").or("centre").one_of(&["stretch", "centre"]),
            field("held_out_share", Float, "Of `centre`, the share of the shorter side that is measured on: 224 / 256 for pictures of 224 pixels scaled to 256.").or(1.0).more_than(0.0).at_most(1.0),
            field("mean", Floats, "Taken away from each channel, where black is 0 and white 1; one number counts for all.").or(json!([0.5])).at_least(-10.0).at_most(10.0),
            field("std", Floats, "What each channel is divided by afterwards; one number counts for all.").or(json!([0.5])).more_than(0.0).at_most(10.0),
            field("cache", Text, "Folder for what compressed archives and tables hold, made when it is not there.").optional(),
            field("seed", Integer, "What synthetic samples are made from, beside their numbers; apart from the run's seed, so that runs are compared on the same data.").or(0).at_least(0.0),
            field("samples", Integer, "Synthetic pictures to learn from.").or(10_000).at_least(1.0).at_most(4e9),
            field("valid_samples", Integer, "Further synthetic pictures to measure on; 0 for none.").or(512).at_least(0.0).at_most(4e9),
            field("shuffle", Bool, "Shuffle the order in each epoch, by the run's seed.").or(true),
        ],
    }
}

/// Resolves the paths and checks what one field alone cannot show.
pub(crate) fn finish(mut checked: Checked, places: &Places) -> Result<(DataImage, Checked), Error> {
    let image: DataImage = checked.typed();
    let range = |name: &str, allowed: String| {
        let value = checked.values[name].to_string();
        let (what, place) = (in_words(HEADER), checked.source(name).into());
        Err(Error::Range { what, name: name.into(), value, allowed, place })
    };
    let files = image.source == Source::Files;
    let foreign = if files { &OF_SYNTHETIC[..] } else { &OF_FILES[..] };
    // A resolved file holds every key, so one that says what it says anyway is no contradiction.
    let defaults = schema();
    let departs = |name: &&&str| {
        let default = defaults.field(name).and_then(|field| field.default.clone()).unwrap_or(Json::Null);
        checked.values[**name] != default
    };
    if let Some(name) = foreign.iter().find(departs) {
        let source = if files { "synthetic" } else { "files" };
        return range(name, format!("only with `source = \"{source}\"`: leave it out, or choose that source"));
    }
    if files && image.files.is_empty() {
        let remedy = "name at least one: `files = [\"{root}/pictures/train\"]`".into();
        let place = checked.source("source").into();
        return Err(Error::Missing { what: in_words(HEADER), name: "files".into(), remedy, place });
    }
    if files && !matches!(image.channels, 1 | 3) {
        return range("channels", "1 (grey) or 3 (red, green, blue) where pictures come from files".into());
    }
    for (name, bounds) in [("scale", &image.scale), ("ratio", &image.ratio)] {
        if bounds.len() != 2 || bounds[1] < bounds[0] {
            return range(name, "two numbers, the least and the largest".into());
        }
    }
    for (name, count) in [("mean", image.mean.len()), ("std", image.std.len())] {
        if files && count != 1 && count != image.channels {
            return range(name, format!("one number, or one for each of the {} channels", image.channels));
        }
    }
    if image.background.len() != 3 {
        return range("background", "three numbers: red, green, blue".into());
    }
    if image.jitter.len() != 4 || image.jitter[3] > 0.5 {
        return range("jitter", "four numbers: brightness, contrast, saturation, and hue of at most 0.5".into());
    }
    if image.labelled == Some(false) && !image.labels.is_empty() {
        return range("labels", "left out where `labelled = false`".into());
    }
    for (name, files, maps) in [
        ("maps", &image.files, &image.maps),
        ("valid_maps", &image.valid_files, &image.valid_maps),
        ("test_maps", &image.test_files, &image.test_maps),
    ] {
        // Either all parts of the data have maps or none.
        if (image.maps.is_empty() || files.is_empty()) != maps.is_empty() {
            let allowed =
                if maps.is_empty() { "a list: `maps` is one" } else { "left out without `maps` and pictures" };
            return range(name, allowed.into());
        }
    }
    if !image.maps.is_empty() && !(1..=255).contains(&image.labels.len()) {
        return range("labels", "the names of the classes of `maps`, by their numbers from 0: 1 to 255 of them".into());
    }
    if !image.maps.is_empty() && image.labelled.is_some() {
        return range("labelled", "left out with `maps`: then `labels` are those of pixels".into());
    }
    if let Some(at) = (1..image.labels.len()).find(|at| image.labels[..*at].contains(&image.labels[*at])) {
        return range("labels", format!("a list of different labels: `{}` is there twice", image.labels[at]));
    }
    for key in FILES {
        let source = checked.source(key);
        for path in checked.values.get_mut(key).and_then(Json::as_array_mut).into_iter().flatten() {
            let found = places.find_data(path.as_str().unwrap_or_default(), &source)?;
            *path = Json::from(found.to_string_lossy().into_owned());
        }
    }
    if let Some(cache) = checked.text("cache") {
        let folder = places.place(cache, &checked.source("cache"))?;
        checked.values.insert("cache".into(), Json::from(folder.to_string_lossy().into_owned()));
    }
    Ok((checked.typed(), checked))
}

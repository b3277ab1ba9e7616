//! Pictures from files: read and decoded when asked for, cut and coloured anew in each epoch.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use experiment::{Crop, DamagedPictures, DataImage, Filter};
use modality_image::{ClassMaps, Corrupt, DecodeSettings, Index, Jitter, SourceSettings, Transform, VOID};
use philox::Key;

use super::source::{BatchColumn, Source};
use crate::boundary::ColumnData;
use crate::error::{Error, Result};
use crate::loader::cache_folder;

/// The pictures of a run.
pub struct ImageData {
    /// Those to train on.
    pub train: Arc<ImageFiles>,
    /// Those held out, where there are any.
    pub valid: Option<Arc<ImageFiles>>,
    /// Those to measure on when the run has ended, where there are any.
    pub test: Option<Arc<ImageFiles>>,
    /// The names of the labels; a label's number is its place here. Empty without labels.
    pub labels: Vec<String>,
    /// A hash of all pictures and labels, for records.
    pub fingerprint: String,
}

/// Some of the pictures of an index as samples: `image.pixels` f32 `[channels, height, width]` and, where they are labelled,
/// `image.label` u32; where their pixels have classes, `image.classes` i64 `[height, width]`, −100 for none.
pub struct ImageFiles {
    index: Arc<Index>,
    /// Numbers in the index.
    chosen: Vec<usize>,
    /// By number in the index; empty without labels.
    classes: Arc<Vec<u32>>,
    /// The classes of the pixels of the pictures of the index.
    maps: Option<Arc<ClassMaps>>,
    /// What draws are keyed by, apart from other parts of the data.
    first_id: u64,
    dims: Vec<usize>,
    training: Transform,
    held_out: Transform,
}

/// Each part of the data has keys of its own.
const KEYS_OF_A_PART: u64 = 1 << 40;

fn source_of(data: &DataImage) -> SourceSettings {
    SourceSettings {
        field: data.field.clone(),
        label_field: data.label_field.clone(),
        unpacked: data.cache.clone().unwrap_or_else(|| cache_folder().join("data").join("pictures")),
    }
}

/// How the files of `[data.image]` are read.
pub(crate) fn index_of(files: &[PathBuf], data: &DataImage) -> Result<Index> {
    let source = source_of(data);
    let background = [0, 1, 2].map(|at| data.background.get(at).copied().unwrap_or(u8::MAX));
    let decoding = DecodeSettings { channels: data.channels, background, most_pixels: data.most_pixels };
    let corrupt = match data.damaged {
        DamagedPictures::Error => Corrupt::Refuse,
        DamagedPictures::Skip => Corrupt::Skip,
    };
    Ok(Index::build(files, &source, decoding, corrupt)?)
}

/// What is done to the pictures of `[data.image]`, in training and in measuring.
fn transforms(data: &DataImage) -> [Transform; 2] {
    let all = |numbers: &[f64]| -> Vec<f32> {
        (0..data.channels).map(|channel| numbers[channel.min(numbers.len() - 1)] as f32).collect()
    };
    let crop = |crop, share| match crop {
        Crop::Stretch => modality_image::Crop::Stretch,
        Crop::Centre => modality_image::Crop::Centre { share },
        Crop::Shifted => modality_image::Crop::Shifted { padding: data.padding },
        Crop::Random => modality_image::Crop::Resized {
            scale: [data.scale[0], data.scale[1]],
            ratio: [data.ratio[0], data.ratio[1]],
        },
    };
    let held_out = Transform {
        size: [data.height, data.width],
        filter: match data.filter {
            Filter::Bilinear => modality_image::Filter::Bilinear,
            Filter::Bicubic => modality_image::Filter::Bicubic,
        },
        crop: crop(data.held_out_crop, data.held_out_share),
        flip: 0.0,
        jitter: Jitter::default(),
        mean: all(&data.mean),
        std: all(&data.std),
    };
    let [brightness, contrast, saturation, hue] = [0, 1, 2, 3].map(|at| data.jitter[at]);
    let changes = brightness + contrast + saturation + hue > 0.0;
    let rate = if changes { data.jitter_rate } else { 0.0 };
    let training = Transform {
        crop: crop(data.crop, 1.0),
        flip: data.flip,
        jitter: Jitter { brightness, contrast, saturation, hue, rate },
        ..held_out.clone()
    };
    [training, held_out]
}

/// Finds the pictures of `[data.image]` and looks at each; tells how many there are.
///
/// # Errors
/// Files that are missing, pictures that cannot be read (unless those are left out), labels that training pictures lack.
pub fn prepare_images(data: &DataImage, on_progress: &mut dyn FnMut(&str, u64, u64)) -> Result<ImageData> {
    let mut index = |files: &[PathBuf]| -> Result<Option<Arc<Index>>> {
        if files.is_empty() {
            return Ok(None);
        }
        on_progress("looking at the pictures", 0, 0);
        let index = index_of(files, data)?;
        on_progress("looking at the pictures", index.len() as u64, 0);
        if let Some(first) = index.skipped().first() {
            let count = index.skipped().len();
            eprintln!(
                "{count} of {} pictures left out, the first: {}: {}",
                index.len() + count,
                first.name,
                first.reason
            );
        }
        Ok(Some(Arc::new(index)))
    };
    let train = index(&data.files)?.ok_or_else(|| Error::new("config/missing", "`[data.image]` names no files"))?;
    let (valid, test) = (index(&data.valid_files)?, index(&data.test_files)?);
    let maps = |index: Option<&Arc<Index>>, files: &[PathBuf]| -> Result<Option<Arc<ClassMaps>>> {
        let (Some(index), false) = (index, files.is_empty()) else { return Ok(None) };
        let classes = (data.labels.len(), &data.maps_ignored[..]);
        Ok(Some(Arc::new(ClassMaps::build(files, &source_of(data), index, classes, data.most_pixels)?)))
    };
    let maps = [
        maps(Some(&train), &data.maps)?,
        maps(valid.as_ref(), &data.valid_maps)?,
        maps(test.as_ref(), &data.test_maps)?,
    ];
    let has_label = || (0..train.len()).all(|picture| train.label(picture).is_some());
    let labelled = data.maps.is_empty() && data.labelled.unwrap_or_else(has_label);
    let labels = match labelled {
        // Those of the pixels.
        false if !data.maps.is_empty() => data.labels.clone(),
        false => Vec::new(),
        true if data.labels.is_empty() => train.labels(),
        true => data.labels.clone(),
    };
    let mut hasher = blake3::Hasher::new();
    for index in [Some(&train), valid.as_ref(), test.as_ref()].into_iter().flatten() {
        hasher.update(index.fingerprint().as_bytes());
    }
    for maps in maps.iter().flatten() {
        hasher.update(maps.fingerprint().as_bytes());
    }
    let part = |index: &Arc<Index>, number: u64, chosen: Vec<usize>| -> Result<Arc<ImageFiles>> {
        let classes = if labelled {
            (0..index.len()).map(|picture| index.class(picture, &labels)).collect::<modality_image::Result<_>>()?
        } else {
            Vec::new()
        };
        let [training, held_out] = transforms(data);
        let (index, classes, first_id) = (index.clone(), Arc::new(classes), number * KEYS_OF_A_PART);
        let (dims, maps) = (vec![data.channels, data.height, data.width], maps[number as usize].clone());
        Ok(Arc::new(ImageFiles { index, chosen, classes, maps, first_id, dims, training, held_out }))
    };
    let all = |index: &Arc<Index>| (0..index.len()).collect::<Vec<_>>();
    // A picture's number decides, whatever else changes.
    let key = Key::root(0).stream("held out");
    let is_held_out = |picture: &usize| valid.is_none() && key.uniform(train.number(*picture)) < data.valid_share;
    let (held_out, mut kept): (Vec<usize>, Vec<usize>) = all(&train).into_iter().partition(is_held_out);
    if kept.is_empty() || data.valid_share > 0.0 && valid.is_none() && held_out.is_empty() {
        let text = format!(
            "of {} pictures, `valid_share` leaves {} to learn from and {} to measure on",
            train.len(),
            kept.len(),
            held_out.len()
        );
        return Err(Error::new("data/image", text).with_help("change `valid_share`, or name `valid_files`"));
    }
    if let Some(most) = data.most_samples {
        let key = Key::root(0).stream("samples");
        let draw = |picture: &usize| key.uniform(train.number(*picture));
        kept.sort_by(|a, b| draw(a).total_cmp(&draw(b)).then(a.cmp(b)));
        kept.truncate(most);
        kept.sort_unstable();
    }
    Ok(ImageData {
        train: part(&train, 0, kept)?,
        valid: match &valid {
            Some(valid) => Some(part(valid, 1, all(valid))?),
            None if held_out.is_empty() => None,
            None => Some(part(&train, 0, held_out)?),
        },
        test: test.as_ref().map(|test| part(test, 2, all(test))).transpose()?,
        labels,
        fingerprint: hasher.finalize().to_hex().to_string(),
    })
}

impl Source for ImageFiles {
    fn modality(&self) -> &'static str {
        "image"
    }

    fn len(&self) -> usize {
        self.chosen.len()
    }

    /// One row for a picture: into how many patches a model cuts it is the model's to say.
    fn length(&self, _: usize) -> usize {
        1
    }

    fn id(&self, sample: usize) -> u64 {
        self.first_id + self.index.number(self.chosen[sample])
    }

    fn read(&self, sample: usize, augment: Option<Key>) -> Result<BTreeMap<String, ColumnData>> {
        let number = self.chosen[sample];
        let picture = self.index.picture(number)?;
        let (transform, key) = match augment {
            Some(key) => (&self.training, key),
            // Nothing is drawn in measuring.
            None => (&self.held_out, Key::root(0)),
        };
        let pixels = transform.apply(&picture, key);
        let wrong = |reason| Error::new("data/image", format!("{}: {reason}", self.index.name(number)));
        let mut columns = BTreeMap::from([("image.pixels".to_owned(), ColumnData::F32(pixels.map_err(wrong)?.into()))]);
        let class = self.classes.get(number).map(|class| ColumnData::U32(Arc::from([*class])));
        columns.extend(class.map(|class| ("image.label".to_owned(), class)));
        if let Some(maps) = &self.maps {
            let map = maps.of(number)?;
            if (map.height, map.width) != (picture.height, picture.width) {
                return Err(wrong("turned upright it has another size than its map of classes".to_owned()));
            }
            let classes = transform.classes(&map, key).map_err(wrong)?;
            let number = |class: u8| if class == VOID { -100 } else { i64::from(class) };
            columns.insert("image.classes".to_owned(), ColumnData::I64(classes.into_iter().map(number).collect()));
        }
        Ok(columns)
    }

    fn batch_columns(&self) -> Vec<BatchColumn> {
        let mut columns = vec![BatchColumn::Stacked("image.pixels", self.dims.clone())];
        columns.extend((!self.classes.is_empty()).then_some(BatchColumn::Stacked("image.label", Vec::new())));
        columns.extend(self.maps.as_ref().map(|_| BatchColumn::Stacked("image.classes", self.dims[1..].to_vec())));
        columns
    }
}

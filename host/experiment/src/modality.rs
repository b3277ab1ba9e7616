//! The `[data]` section: text, pictures or sounds.

use std::borrow::Cow;

use crate::check::Checked;
use crate::error::Error;
use crate::experiment::section;
use crate::paths::Places;
use crate::sections::audio::{self, DataAudio};
use crate::sections::data::{self, DataText};
use crate::sections::image::{self, DataImage};
use crate::sections::in_words;
use crate::table::{Content, Table, excerpt};

/// What a run learns from: one modality for now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Data {
    /// `[data.text]`.
    Text(Box<DataText>),
    /// `[data.image]`.
    Image(Box<DataImage>),
    /// `[data.audio]`.
    Audio(Box<DataAudio>),
}

impl Data {
    /// `text`, `image` or `audio`.
    pub fn modality(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image(_) => "image",
            Self::Audio(_) => "audio",
        }
    }

    /// Its section: `[data.text]`.
    pub fn header(&self) -> &'static str {
        match self {
            Self::Text(_) => data::HEADER,
            Self::Image(_) => image::HEADER,
            Self::Audio(_) => audio::HEADER,
        }
    }

    /// The text, where it is text.
    pub fn text(&self) -> Option<&DataText> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The key of `[data]` that belongs to no modality.
const ROOT_KEY: &str = "root";

/// The places of an experiment with its `[data] root`, where it has one.
pub(crate) fn places(root: &Table, places: Places) -> Result<Places, Error> {
    let data = section(root, "data", "[data]")?;
    let Some(node) = data.get(ROOT_KEY) else { return Ok(places) };
    match &node.content {
        Content::Text(folder) => places.with_root(folder, &node.source),
        _ => Err(Error::Type {
            what: "`[data]`".into(),
            name: ROOT_KEY.into(),
            expected: "a text: the folder that `{root}` stands for in paths".into(),
            found: node.in_words(),
            place: node.source.clone().into(),
        }),
    }
}

/// The section of the one modality that the file names, checked; that of text where it names none, which then lacks files.
pub(crate) fn check(root: &Table) -> Result<(&'static str, Checked), Error> {
    let found = match section(root, "data", data::HEADER)? {
        Cow::Borrowed(table) => table,
        Cow::Owned(absent) => return checked("text", &absent),
    };
    let mut named: Option<&'static str> = None;
    for (name, node) in found.entries.iter().filter(|(name, _)| name != ROOT_KEY) {
        let place = || node.source.clone().into();
        if data::LATER.contains(&name.as_str()) {
            let remedy = "this host reads `[data.text]`, `[data.image]` and `[data.audio]`".into();
            return Err(Error::NotYet { what: format!("`[data.{name}]`"), remedy, place: place() });
        }
        let Some(modality) = data::MODALITIES.into_iter().find(|known| known == name) else {
            let known = data::MODALITIES.iter().chain([&ROOT_KEY]).map(|&name| name.to_owned()).collect();
            return Err(Error::UnknownSetting { what: "`[data]`".into(), name: excerpt(name), known, place: place() });
        };
        if let Some(first) = named {
            let what = format!("learning from `[data.{first}]` and `[data.{modality}]` at once");
            return Err(Error::NotYet { what, remedy: "keep one of the two".into(), place: place() });
        }
        named = Some(modality);
    }
    let modality = named.unwrap_or("text");
    let header = if modality == "image" {
        image::HEADER
    } else if modality == "audio" {
        audio::HEADER
    } else {
        data::HEADER
    };
    checked(modality, &*section(found, modality, header)?)
}

fn checked(modality: &'static str, table: &Table) -> Result<(&'static str, Checked), Error> {
    let (header, schema) = match modality {
        "image" => (image::HEADER, image::schema()),
        "audio" => (audio::HEADER, audio::schema()),
        _ => (data::HEADER, data::schema()),
    };
    Ok((modality, schema.check_with_sources(&in_words(header), table, &[])?))
}

/// The typed section, its paths resolved.
pub(crate) fn finish((modality, checked): (&str, Checked), places: &Places) -> Result<(Data, Checked), Error> {
    Ok(match modality {
        "image" => {
            let (pictures, checked) = image::finish(checked, places)?;
            (Data::Image(Box::new(pictures)), checked)
        }
        "audio" => {
            let (sounds, checked) = audio::finish(checked, places)?;
            (Data::Audio(Box::new(sounds)), checked)
        }
        _ => {
            let (text, checked) = data::finish(checked, places)?;
            (Data::Text(Box::new(text)), checked)
        }
    })
}

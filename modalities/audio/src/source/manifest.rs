//! Manifests: a sound in each line, with what is known of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use super::archive::{self, Archives};
use super::{Item, ListSettings, Place, is_sound, split_members};
use crate::error::{Error, Result};

/// Names of the path's column.
const PATHS: [&str; 2] = ["path", "audio_filepath"];

/// Adds the sounds of a manifest.
pub(super) fn read(file: &Path, settings: &ListSettings, archives: &mut Archives, items: &mut Vec<Item>) -> Result<()> {
    let place = file.display().to_string();
    let bytes = std::fs::read(file).map_err(Error::io(file))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line =
            1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        Error::Manifest { place: place.clone(), line: line as u64, reason: "it is not UTF-8: convert the file".into() }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = if place.to_lowercase().ends_with(".jsonl") { of_json(text) } else { of_table(text) };
    let before = items.len();
    for line in lines {
        let (number, line) = line.map_err(|(line, reason)| Error::Manifest { place: place.clone(), line, reason })?;
        let refuse = |reason: String| Error::Manifest { place: place.clone(), line: number, reason };
        items.push(line.item(file, settings, archives, &refuse)?);
    }
    if items.len() == before {
        return Err(Error::Empty { place, help: "a manifest has a line for each sound" });
    }
    Ok(())
}

/// A line: its columns by name, as texts.
struct Line(BTreeMap<String, String>);

type Lines<'a> = Box<dyn Iterator<Item = Result<(u64, Line), (u64, String)>> + 'a>;

fn of_table(text: &str) -> Lines<'_> {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(b'\t').quoting(false).flexible(false).from_reader(text.as_bytes());
    let names = match reader.headers() {
        Ok(names) => names.clone(),
        Err(error) => return Box::new(std::iter::once(Err((1, error.to_string())))),
    };
    Box::new(reader.into_records().map(move |record| match record {
        Ok(record) => {
            let line = record.position().map_or(0, csv::Position::line);
            let columns = names.iter().zip(&record).filter(|(_, value)| !value.is_empty());
            Ok((line, Line(columns.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())))
        }
        Err(error) => {
            let line = error.position().map_or(0, csv::Position::line);
            Err((line, format!("{error}")))
        }
    }))
}

fn of_json(text: &str) -> Lines<'_> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    Box::new(lines.map(|(index, line)| {
        let number = index as u64 + 1;
        let json: Json = serde_json::from_str(line).map_err(|error| (number, format!("it is not JSON: {error}")))?;
        let Json::Object(fields) = json else { return Err((number, "it is no JSON object".into())) };
        let columns = fields.into_iter().filter_map(|(name, value)| match value {
            Json::String(text) => Some((name, text)),
            Json::Number(number) => Some((name, number.to_string())),
            _ => None,
        });
        Ok((number, Line(columns.collect())))
    }))
}

impl Line {
    fn item(
        mut self,
        manifest: &Path,
        settings: &ListSettings,
        archives: &mut Archives,
        refuse: &dyn Fn(String) -> Error,
    ) -> Result<Item> {
        let path = PATHS.iter().find_map(|name| self.0.remove(*name)).ok_or_else(|| {
            let known: Vec<String> = self.0.keys().map(|name| format!("`{name}`")).collect();
            refuse(format!("there is no `path`, only {}: name the sound's file there", known.join(", ")))
        })?;
        let whole = manifest.parent().unwrap_or(Path::new("")).join(&path);
        let (file, member) = split_members(&whole);
        let place = match &member {
            Some(member) => {
                if !archive::is_archive(&file.to_string_lossy().to_lowercase()) {
                    return Err(refuse(format!("`{path}`: `#` names a member of an archive, and this is none")));
                }
                let found = archive::members(&file, archives)?.iter().find(|found| found.name == *member);
                found.ok_or_else(|| refuse(format!("`{path}`: the archive has no such member")))?.place.clone()
            }
            None if !file.is_file() => return Err(refuse(format!("`{path}`: there is no such file"))),
            None if !is_sound(&path) => return Err(refuse(format!("`{path}`: sounds end in {}", super::KNOWN))),
            None => Place::File(file),
        };
        // What the manifest says goes before what a name says.
        let labelled = self.0.contains_key("label");
        let unnamed = ListSettings::default();
        let mut item = Item::new(whole.display().to_string(), place, if labelled { &unnamed } else { settings })?;
        let mut seconds = |name: &str| -> Result<Option<f64>> {
            let Some(value) = self.0.remove(name) else { return Ok(None) };
            let number = value.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
            number.map(Some).ok_or_else(|| refuse(format!("`{name}` is `{value}`, not a number of seconds")))
        };
        let (offset, duration) = (seconds("offset")?, seconds("duration")?);
        if offset.is_some() || duration.is_some() {
            item.part = Some((offset.unwrap_or(0.0), duration));
        }
        item.text = self.0.remove("text");
        item.label = self.0.remove("label").or(item.label);
        item.speaker = self.0.remove("speaker").or(item.speaker);
        Ok(item)
    }
}

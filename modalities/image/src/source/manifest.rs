//! Manifests: a JSON object in each line, with the path of a picture and its label.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value as Json;

use super::unpack::plain;
use super::{Gathered, SourceSettings, label_of};
use crate::{Error, Result};

/// Paths are taken from the folder of the manifest.
pub(super) fn read(path: &Path, settings: &SourceSettings, gathered: &mut Gathered) -> Result<()> {
    let unpacked = plain(path, &settings.unpacked)?;
    let reader = BufReader::new(File::open(&unpacked).map_err(Error::io("read", &unpacked))?);
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    for (number, line) in (1..).zip(reader.lines()) {
        let damaged = |reason: String| Error::damaged(path, Some(number), reason);
        let line = line.map_err(|error| damaged(format!("it cannot be read: {error}")))?;
        if line.trim().is_empty() {
            continue;
        }
        let record: Json = serde_json::from_str(&line).map_err(|error| damaged(format!("it is no JSON: {error}")))?;
        let Some(fields) = record.as_object() else {
            return Err(damaged("it is no JSON object: write {\"image\": \"PATH\", \"label\": \"NAME\"}".to_owned()));
        };
        let Some(written) = fields.get(&settings.field) else {
            return Err(Error::MissingField {
                place: path.display().to_string(),
                line: number,
                field: settings.field.clone(),
                known: fields.keys().cloned().collect(),
            });
        };
        let Some(written) = written.as_str() else {
            return Err(damaged(format!("field `{}` holds {written}, not the path of a picture", settings.field)));
        };
        let picture = folder.join(written);
        if !picture.is_file() {
            return Err(damaged(format!("there is no picture {}", picture.display())));
        }
        let caption = fields.get("caption").and_then(Json::as_str).map(str::to_owned);
        gathered.whole_file(&picture, label_of(fields.get(&settings.label_field)), caption)?;
    }
    Ok(())
}

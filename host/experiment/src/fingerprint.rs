//! What a resumed run must have in common with the run that it goes on with.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use crate::check::Checked;
use crate::experiment::Experiment;
use crate::modality::Data;
use crate::paths::split_members;
use crate::sections::data::{self, Tokenizer};
use crate::sections::run::{self, Device};

impl Experiment {
    /// Every value that changes results, as JSON in a fixed order, for the host to hash. Left out: the run's name, threads,
    /// logging, the cache, `[checkpoint]`, and the number of the GPU. Of a file it holds name and size, so that a moved data
    /// folder goes on where it stopped; contents are the host's to hash. Check the plugins' settings first: unchecked ones are
    /// in it without their defaults.
    pub fn fingerprint(&self) -> Json {
        let records = &self.records;
        let mut run = without(&records.run, &run::NEUTRAL);
        let device = match self.run.device {
            Device::Cuda(_) => "cuda".to_owned(),
            other => other.to_string(),
        };
        run.insert("device".into(), Json::from(device));

        let mut data = without(&records.data, &data::NEUTRAL);
        let mut identified = |key: &str, files: &[PathBuf]| {
            data.insert(key.into(), files.iter().map(|path| identity(path)).collect());
        };
        if let Data::Image(image) = &self.data {
            identified("files", &image.files);
            identified("valid_files", &image.valid_files);
            identified("test_files", &image.test_files);
        }
        if let Data::Audio(audio) = &self.data {
            identified("files", &audio.files);
            identified("valid_files", &audio.valid_files);
            identified("test_files", &audio.test_files);
        }
        if let Data::Text(text) = &self.data {
            identified("files", &text.files);
            identified("valid_files", &text.valid_files);
            identified("test_files", &text.test_files);
            if let Tokenizer::File(path) = &text.tokenizer {
                data.insert("tokenizer".into(), identity(path));
            }
        }

        let mut models: Vec<_> = self.models.iter().zip(&records.models).collect();
        models.sort_by_key(|(model, _)| model.role.clone());
        let models: Map<String, Json> = models
            .into_iter()
            .map(|(model, checked)| {
                let mut own = checked.values.clone();
                own.insert("weights".into(), model.weights.as_deref().map_or(Json::Null, identity));
                own.insert("settings".into(), model.plugin.json());
                (model.role.clone(), Json::Object(own))
            })
            .collect();

        json!({
            "run": run,
            "data": { self.data.modality(): data },
            "model": models,
            "objective": { "use": self.objective.name, "settings": self.objective.plugin.json() },
            "optimizer": records.optimizer.values,
            "optimizer.group": values(&records.groups),
            "schedule": records.schedule.values,
            "evaluate": values(&records.evaluate),
        })
    }
}

fn without(checked: &Checked, neutral: &[&str]) -> Map<String, Json> {
    checked
        .values
        .iter()
        .filter(|(name, _)| !neutral.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn values(list: &[Checked]) -> Vec<Json> {
    list.iter().map(|checked| Json::Object(checked.values.clone())).collect()
}

/// Name and size of a file, the name alone of a folder; of an archive also which members.
fn identity(path: &Path) -> Json {
    let (path, members) = split_members(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let bytes = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file).map(|about| about.len());
    match members {
        Some(members) => json!({ "name": name, "members": members, "bytes": bytes }),
        None => json!({ "name": name, "bytes": bytes }),
    }
}

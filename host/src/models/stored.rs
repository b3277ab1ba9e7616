//! A model as it lies in a run or a model folder: all that it takes to build it, and no corpus.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use compute::DType;
use experiment::Table;
use records::RunFolder;
use serde_json::{Value as Json, json};

use super::facts::{Vocabulary, vocabulary_facts};
use super::folder::{IMPORT_FILE, MODEL_FILE};
use super::reads::{PictureSize, Reads, SoundSize};
use super::tensors::ModelTensors;
use crate::error::{Error, Result};

const TOKENIZER: &str = "tokenizer.json";
/// The role of a model in a model folder, which has none.
const ONLY: &str = "model";

/// Which of the models and weights of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// The role; none means the same name, or the only one.
    pub role: Option<String>,
    /// The checkpoint of a run: `last`, `best`, or a folder name under `checkpoints`.
    pub checkpoint: String,
    /// Averages of the weights where a run keeps them.
    pub averaged: bool,
}

impl Default for Pick {
    fn default() -> Self {
        Self { role: None, checkpoint: "last".into(), averaged: true }
    }
}

impl Pick {
    /// The role among `roles`: the one asked for, else `own`, else the only one.
    pub(super) fn role_of(&self, own: &str, roles: &[String], run: &Path) -> Result<String> {
        let wanted = self.role.as_deref().unwrap_or(own);
        if roles.iter().any(|role| role == wanted) {
            return Ok(wanted.to_owned());
        }
        match (roles, &self.role) {
            ([only], None) => Ok(only.clone()),
            _ => Err(Error::new("config/role", format!("`{}` has no model in the role `{wanted}`", run.display()))
                .with_help(format!("it has {}; choose one", names(roles)))),
        }
    }
}

/// A model as it is stored.
pub struct Stored {
    /// The run or the model folder.
    pub place: PathBuf,
    /// Its role in the run; `model` in a model folder.
    pub role: String,
    /// The plugin of its family.
    pub family: String,
    /// The family's settings, not yet checked.
    pub settings: Table,
    /// Families and settings of all roles of the run, this one included.
    pub roles: BTreeMap<String, (String, Table)>,
    /// By modality, what plugins may know of it, as JSON text.
    pub facts: BTreeMap<String, String>,
    /// Weights.
    pub tensors: ModelTensors,
    /// Sizes of heads, where they are known.
    pub heads: BTreeMap<String, u64>,
    /// Its `tokenizer.json`, if it has one.
    pub tokenizer: Option<PathBuf>,
    /// Whether texts get the tokenizer's special tokens.
    pub add_special: bool,
    /// Where it is computed: `cpu`, `cuda:1`.
    pub device: String,
    /// The type that it is computed in.
    pub precision: DType,
    /// What an import said of it.
    pub import: Option<Json>,
}

impl Stored {
    /// The models of a run or model folder that `pick` allows: one where a role is given, else all.
    ///
    /// # Errors
    /// When the folder is neither, has no such role or checkpoint, or a file is damaged.
    pub fn all(place: &Path, pick: &Pick) -> Result<Vec<Self>> {
        if place.join(MODEL_FILE).is_file() {
            return Ok(vec![Self::of_folder(place)?]);
        }
        let folder = RunFolder::open(place).map_err(|error| {
            let error = Error::from(error);
            let help = "give a run folder, or a model folder: `lacuna import` makes one".to_owned();
            if place.join("config.json").is_file() {
                return error.with_help(format!(
                    "a Hugging Face folder is imported first: `lacuna import {}`",
                    place.display()
                ));
            }
            error.with_help(help)
        })?;
        let roles = roles_of_run(place)?;
        let wanted = match &pick.role {
            Some(role) => vec![pick.role_of(role, &roles, place)?],
            None => roles,
        };
        wanted.iter().map(|role| Self::of_run(&folder, role, pick)).collect()
    }

    /// The one model that `pick` means.
    ///
    /// # Errors
    /// As [`Stored::all`], and when there are several.
    pub fn one(place: &Path, pick: &Pick) -> Result<Self> {
        let mut found = Self::all(place, pick)?;
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (last, _) => {
                let roles: Vec<String> = found.into_iter().chain(last).map(|stored| stored.role).collect();
                Err(Error::new("config/role", format!("`{}` has several models", place.display()))
                    .with_help(format!("choose one of {} with `--role`", names(&roles))))
            }
        }
    }

    fn of_run(folder: &RunFolder, role: &str, pick: &Pick) -> Result<Self> {
        let place = folder.path();
        let root = run_table(place)?;
        let mut roles = BTreeMap::new();
        for name in roles_of(&root) {
            let section = root.section("model").and_then(|models| models.section(&name));
            let section = section.cloned().unwrap_or_else(Table::empty);
            let family = section.to_json().get("family").and_then(Json::as_str).unwrap_or_default().to_owned();
            roles.insert(name, (family, section));
        }
        let (family, settings) = roles.get(role).cloned().ok_or_else(|| {
            Error::new("config/role", format!("`{}` has no model in the role `{role}`", place.display()))
        })?;
        let tokenizer = Some(place.join(TOKENIZER)).filter(|path| path.is_file());
        let said = Json::Object(root.to_json());
        let exact = Pick { role: Some(role.to_owned()), ..pick.clone() };
        Ok(Self {
            facts: facts_of_run(folder, &said, tokenizer.as_deref())?,
            tensors: ModelTensors::read(place, role, &exact)?,
            add_special: said["data"]["text"]["add_special"] != false,
            precision: if said["run"]["precision"] == "bf16" { DType::BF16 } else { DType::F32 },
            device: said["run"]["device"].as_str().unwrap_or("cpu").to_owned(),
            place: place.to_path_buf(),
            role: role.to_owned(),
            family,
            settings,
            roles,
            heads: BTreeMap::new(),
            tokenizer,
            import: None,
        })
    }

    fn of_folder(place: &Path) -> Result<Self> {
        let file = place.join(MODEL_FILE);
        let text = std::fs::read_to_string(&file).map_err(|error| Error::file(&file, &error))?;
        let table = Table::parse(&text, &file)?;
        let said = table.to_json();
        let lacks = |what: &str| {
            Error::new("run/model", format!("`{}` has no `{what}`", file.display())).with_help("import the model again")
        };
        let family = said.get("family").and_then(Json::as_str).ok_or_else(|| lacks("family"))?.to_owned();
        let facts = Reads::SECTIONS.iter().filter_map(|(modality, section)| {
            said.get(*section).map(|told| ((*modality).to_owned(), told.to_string()))
        });
        let facts: BTreeMap<String, String> = facts.collect();
        if facts.is_empty() {
            return Err(lacks("[vocabulary]"));
        }
        let heads = said.get("heads").and_then(Json::as_object).cloned().unwrap_or_default();
        let import = std::fs::read(place.join(IMPORT_FILE)).ok();
        let tokenizer = Some(place.join(TOKENIZER)).filter(|path| path.is_file());
        Ok(Self {
            place: place.to_path_buf(),
            role: ONLY.to_owned(),
            roles: BTreeMap::from([(ONLY.to_owned(), (family.clone(), table.clone()))]),
            family,
            settings: table,
            facts,
            tensors: ModelTensors::read(place, ONLY, &Pick::default())?,
            heads: heads.iter().filter_map(|(kind, size)| Some((kind.clone(), size.as_u64()?))).collect(),
            tokenizer,
            add_special: true,
            device: "cpu".into(),
            precision: DType::F32,
            import: import.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
        })
    }

    /// What it knows of text.
    #[must_use]
    pub fn vocabulary(&self) -> Option<Vocabulary> {
        self.facts.get("text").and_then(|facts| Vocabulary::from_json(facts))
    }

    /// The size of the pictures that it was made for.
    #[must_use]
    pub fn pictures(&self) -> Option<PictureSize> {
        self.facts.get("image").and_then(|facts| PictureSize::from_json(facts))
    }

    /// The sounds that it was made for.
    #[must_use]
    pub fn sounds(&self) -> Option<SoundSize> {
        self.facts.get("audio").and_then(|facts| SoundSize::from_json(facts))
    }
}

fn run_table(run: &Path) -> Result<Table> {
    let folder = RunFolder::open(run)?;
    Ok(Table::parse(&folder.experiment()?, &run.join("experiment.toml"))?)
}

fn roles_of(root: &Table) -> Vec<String> {
    root.to_json().get("model").and_then(Json::as_object).into_iter().flatten().map(|(role, _)| role.clone()).collect()
}

/// The roles of a run, in the order of its file.
pub(super) fn roles_of_run(run: &Path) -> Result<Vec<String>> {
    Ok(roles_of(&run_table(run)?))
}

/// The folder of a run's checkpoint.
pub(super) fn checkpoint(run: &Path, name: &str) -> Result<PathBuf> {
    let checkpoints = run.join("checkpoints");
    let path = checkpoints.join(name);
    if path.is_dir() {
        return Ok(path);
    }
    Err(Error::new("run/checkpoint", format!("`{}` has no checkpoint `{name}`", run.display()))
        .with_help(format!("it has {}", crate::train::folder_names(&checkpoints))))
}

/// What plugins knew while the run was trained; runs of older hosts did not write it down, so it is found out again.
fn facts_of_run(folder: &RunFolder, said: &Json, tokenizer: Option<&Path>) -> Result<BTreeMap<String, String>> {
    let written = folder.provenance().ok().and_then(|provenance| provenance.facts.get("modalities").cloned());
    if let Some(Json::Object(modalities)) = written {
        return Ok(modalities.into_iter().map(|(name, facts)| (name, facts.to_string())).collect());
    }
    if let Some(tokenizer) = tokenizer {
        let tokenizer = modality_text::Tokenizer::from_file(tokenizer)?;
        return Ok(BTreeMap::from([("text".to_owned(), vocabulary_facts(tokenizer.vocabulary(), None).to_string())]));
    }
    let mut facts = BTreeMap::new();
    for (modality, section) in said.get("data").and_then(Json::as_object).into_iter().flatten() {
        if let Json::Object(section) = section {
            let mut section = section.clone();
            section.insert("frames_per_unit".to_owned(), json!(experiment::FRAMES_PER_UNIT));
            facts.insert(modality.clone(), Json::Object(section).to_string());
        }
    }
    Ok(facts)
}

/// The vocabulary that the weights in `place` were made for; `None` where that is not known: a bare file, a run on pictures.
pub(super) fn vocabulary_of(place: &Path) -> Result<Option<Vocabulary>> {
    let facts = if place.join(MODEL_FILE).is_file() {
        let file = place.join(MODEL_FILE);
        let text = std::fs::read_to_string(&file).map_err(|error| Error::file(&file, &error))?;
        Table::parse(&text, &file)?.to_json().get("vocabulary").map(Json::to_string)
    } else if place.is_dir() {
        let tokenizer = Some(place.join(TOKENIZER)).filter(|path| path.is_file());
        let said = Json::Object(run_table(place)?.to_json());
        facts_of_run(&RunFolder::open(place)?, &said, tokenizer.as_deref())?.remove("text")
    } else {
        None
    };
    Ok(facts.and_then(|facts| Vocabulary::from_json(&facts)))
}

fn names(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

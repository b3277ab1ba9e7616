//! `lacuna import`: a Hugging Face folder becomes a model folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use compute::DType;
use compute::weights::Saved;
use experiment::Table;
use lacuna_abi::name;
use records::{TensorBytes, write_tensors};
use serde_json::{Map, Value as Json, json};

use super::files::HfFolder;
use super::gather::{Gathered, gather};
use super::report::{KeyReport, counts};
use super::table::NameTable;
use super::tokens::what_it_reads;
use crate::boundary::hugging_face_settings;
use crate::error::{Error, Result};
use crate::loader::{Catalogue, Plugin};
use crate::models::{
    HEAD_KINDS, IMPORT_FILE, MODEL_FILE, ModelTensors, NewFolder, Opened, PictureSize, Reads, SoundSize, Stored,
    Vocabulary, WEIGHTS_FILE, head_kind,
};
use crate::train::saved;

/// What is imported, and where to.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The Hugging Face folder.
    pub folder: PathBuf,
    /// The model folder to make.
    pub out: PathBuf,
    /// The family to ask; none means all that are installed.
    pub family: Option<String>,
}

/// What was imported.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The model folder.
    pub out: PathBuf,
    /// As in `import.json`.
    pub report: Json,
    /// The report for people, line by line.
    pub lines: Vec<String>,
}

/// Imports a folder: everything is checked first, then the model folder is written whole.
///
/// # Errors
/// When no family knows the architecture, anything does not fit (all faults in one error), or `out` is there already.
pub fn import(
    options: &ImportOptions,
    catalogue: &Catalogue,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Imported> {
    let new = NewFolder::begin(&options.out)?;
    let folder = HfFolder::open(&options.folder)?;
    let (plugin, settings) = family_of(&folder, options.family.as_deref(), catalogue)?;
    let (tokenizer, reads) = what_it_reads(&folder)?;
    let family = plugin.manifest.name.clone();
    let place = folder.path.join("config.json");
    let stored = Stored {
        place: folder.path.clone(),
        role: "model".into(),
        family: family.clone(),
        settings: Table::from_json(&settings, &place),
        roles: BTreeMap::new(),
        facts: BTreeMap::from([(reads.names().0.to_owned(), reads.to_json().to_string())]),
        tensors: ModelTensors::default(),
        heads: BTreeMap::new(),
        tokenizer: None,
        add_special: true,
        device: "cpu".into(),
        precision: DType::F32,
        import: None,
    };
    let settings = checked_settings(plugin, &stored)?;
    let opened = Opened::untrained(stored, catalogue)?;
    let table = opened.model.hugging_face()?.unwrap_or_default();
    let table = NameTable::from_json(&family, &table)?;
    let gathered = gather(&folder, &table, &opened.weights(), on_progress)?;
    let heads = heads(&folder, &opened, &table, &gathered)?;

    new.write(MODEL_FILE, model_file(&family, &settings, &reads, &heads.sizes, options).as_bytes())?;
    let tensors: Vec<TensorBytes> =
        gathered.tensors.into_iter().map(|(name, tensor)| TensorBytes { name, ..tensor }).collect();
    write_tensors(&new.file(WEIGHTS_FILE), &tensors, &BTreeMap::from([("format".into(), "lacuna".into())]))?;
    if let Some(tokenizer) = &tokenizer {
        // The tokenizer itself as it is: what it truncates and pads is not ours to drop.
        if !new.copy(&folder.path.join("tokenizer.json"), "tokenizer.json")? {
            tokenizer.save(new.file("tokenizer.json"))?;
        }
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            new.copy(&folder.path.join(name), name)?;
        }
    }
    let report = report(&folder, plugin, &table, &gathered.keys, &heads, &reads);
    new.write(IMPORT_FILE, format!("{report:#}\n").as_bytes())?;
    new.finish()?;
    let lines = lines(&folder, plugin, &gathered.keys, &heads, &reads, &options.out);
    Ok(Imported { out: options.out.clone(), report, lines })
}

/// The family that knows the architecture, with its settings.
fn family_of(
    folder: &HfFolder,
    only: Option<&str>,
    catalogue: &Catalogue,
) -> Result<(&'static Plugin, Map<String, Json>)> {
    let config = folder.config.to_string();
    let place = folder.path.join("config.json").display().to_string();
    let mut asked = Vec::new();
    for found in catalogue.plugins() {
        let named = &found.manifest.name;
        let provides = found.manifest.provides.iter().any(|provided| provided.interface == name::HUGGING_FACE);
        if !provides || only.is_some_and(|only| only != named) {
            continue;
        }
        let plugin = Plugin::open(&found.path, &found.manifest)?;
        asked.push(format!("`{named}`"));
        let settings = hugging_face_settings(&plugin, &config).map_err(|mut error| {
            // What the family cannot do is a fact of the file.
            error.code = "data/config".into();
            error.place = Some((place.clone(), 0));
            error
        })?;
        let Some(settings) = settings else { continue };
        return match serde_json::from_str(&settings) {
            Ok(Json::Object(settings)) => Ok((plugin, settings)),
            _ => Err(Error::new("plugin/settings", format!("`{named}` gives settings that are no JSON object"))),
        };
    }
    let asked =
        if asked.is_empty() { "no family that is installed reads such folders".into() } else { asked.join(", ") };
    let architecture = match folder.config.get("model_type").and_then(Json::as_str) {
        Some(model_type) => format!("no installed family knows the architecture `{model_type}`"),
        None => "there is no `model_type`".to_owned(),
    };
    Err(Error::new("data/config", architecture).at(place, 0).with_help(format!("asked: {asked}")))
}

/// The family's settings, every one of them, so that a later default changes nothing.
fn checked_settings(plugin: &Plugin, stored: &Stored) -> Result<Map<String, Json>> {
    let schema = plugin.manifest.provided(name::MODEL, &plugin.path)?.settings.clone().unwrap_or_default();
    Ok(experiment::model_settings(&stored.role, &stored.family, &stored.settings, &schema)?)
}

/// Which heads a folder has.
struct Heads {
    /// Sizes of whole heads by kind, 0 for the vocabulary.
    sizes: BTreeMap<String, u64>,
    /// Kinds of which only a part is there.
    parts: Vec<String>,
}

/// The heads that are whole; a part of one is kept only where the architecture does not promise the rest.
fn heads(folder: &HfFolder, opened: &Opened, table: &NameTable, gathered: &Gathered) -> Result<Heads> {
    let architecture = folder.config["architectures"][0].as_str().unwrap_or_default();
    let config: Json = opened
        .model
        .hugging_face_config()
        .ok()
        .flatten()
        .and_then(|config| serde_json::from_str(&config).ok())
        .unwrap_or_default();
    let by_head = &config["architectures_by_head"];
    let is_bare = by_head["none"].as_str().is_some_and(|none| none == architecture);
    let mut heads = Heads { sizes: BTreeMap::new(), parts: Vec::new() };
    for kind in HEAD_KINDS {
        let tensors = gathered.tensors.iter().filter_map(|(own, tensor)| match head_kind(own) {
            Some((found, rest)) if found == kind => Some(TensorBytes { name: rest.to_owned(), ..tensor.clone() }),
            _ => None,
        });
        let tensors: BTreeMap<String, Saved> = saved(tensors.collect())?;
        let has_rows = table.names.iter().any(|row| head_kind(&row.own).is_some_and(|(found, _)| found == kind));
        let promised = !architecture.is_empty() && by_head[kind] == architecture;
        // A tied head without a bias has no weights of its own, so only the architecture tells.
        let may_be_empty = kind == "tokens" && !has_rows && !is_bare;
        if tensors.is_empty() && !promised && !may_be_empty {
            continue;
        }
        // Of a model of text the vocabulary's; codes of pictures are counted by the weights.
        let size = (kind == "tokens" && opened.stored.vocabulary().is_some()).then_some(0);
        match opened.fitting_head(kind, size, &tensors) {
            Some(head) => _ = heads.sizes.insert(kind.to_owned(), head.size),
            None if may_be_empty && !promised => {}
            None if promised || kind == "tokens" => return Err(broken_head(folder, table, gathered, kind)),
            None => heads.parts.push(kind.to_owned()),
        }
    }
    Ok(heads)
}

fn broken_head(folder: &HfFolder, table: &NameTable, gathered: &Gathered, kind: &str) -> Error {
    let of_kind = |own: &str| head_kind(own).is_some_and(|(found, _)| found == kind);
    let missing = gathered.absent.iter().filter(|own| of_kind(own)).filter_map(|own| {
        let row = table.names.iter().find(|row| row.own == **own)?;
        Some(format!("`{}` is missing (our `{own}`)", row.theirs))
    });
    let missing: Vec<String> = missing.collect();
    let place = folder.path.display();
    let text = if missing.is_empty() {
        let there = gathered.tensors.iter().filter(|(own, _)| of_kind(own));
        let there = there.map(|(own, tensor)| {
            let key = gathered.keys.iter().find(|key| key.gives(own)).map_or(own.as_str(), |key| key.key.as_str());
            format!("`{key}` {:?}", tensor.shape)
        });
        let there: Vec<String> = there.collect();
        format!("`{place}`: the head for {kind} does not fit in its shapes: {}", there.join(", "))
    } else {
        format!("`{place}`: the head for {kind} is not whole: {}", missing.join(", "))
    };
    Error::new("data/weights", text).with_help("config.json and the weights must be of one model; nothing was written")
}

fn model_file(
    family: &str,
    settings: &Map<String, Json>,
    reads: &Reads,
    heads: &BTreeMap<String, u64>,
    options: &ImportOptions,
) -> String {
    let mut values = Map::from_iter([("family".to_owned(), json!(family))]);
    values.extend(settings.clone());
    values.insert(reads.names().1.into(), reads.to_json());
    values.insert("heads".into(), json!(heads));
    let from = options.folder.file_name().unwrap_or_default().to_string_lossy().replace(char::is_control, "?");
    format!(
        "# A model imported from `{from}`: its family, its settings. The weights are in {WEIGHTS_FILE}, what became of every key \
         in {IMPORT_FILE}.\n{}",
        experiment::toml(&values)
    )
}

fn report(
    folder: &HfFolder,
    plugin: &Plugin,
    table: &NameTable,
    keys: &[KeyReport],
    heads: &Heads,
    reads: &Reads,
) -> Json {
    let bare = !table.prefix.is_empty() && !folder.keys().any(|key| key.starts_with(&table.prefix));
    json!({
        "model_type": folder.config.get("model_type"),
        "architectures": folder.config.get("architectures"),
        "family": plugin.manifest.name,
        "family_version": plugin.manifest.version,
        "bare": bare,
        "heads": heads.sizes,
        "parts_of_heads": heads.parts,
        (reads.names().1): reads.to_json(),
        "keys": keys.iter().map(KeyReport::to_json).collect::<Vec<_>>(),
        "config": folder.config,
    })
}

fn lines(
    folder: &HfFolder,
    plugin: &Plugin,
    keys: &[KeyReport],
    heads: &Heads,
    reads: &Reads,
    out: &Path,
) -> Vec<String> {
    let model_type = folder.config.get("model_type").and_then(Json::as_str).unwrap_or_default();
    let elements: usize = keys
        .iter()
        .filter(|key| matches!(key.usage, super::report::Use::Weight(_)))
        .map(|key| key.shape.iter().product::<usize>())
        .sum();
    let mut types: Vec<String> = keys.iter().map(|key| format!("{:?}", key.dtype).to_lowercase()).collect();
    types.sort();
    types.dedup();
    let mut lines = vec![
        format!("{model_type} → family `{}` {}", plugin.manifest.name, plugin.manifest.version),
        format!("{} keys: {}; {elements} numbers of type {}", keys.len(), counts(keys), types.join(", ")),
    ];
    let whole: Vec<&str> = heads.sizes.keys().map(String::as_str).collect();
    lines.push(match whole.as_slice() {
        [] => "no head".to_owned(),
        some => format!("heads: {}", some.join(", ")),
    });
    if !heads.parts.is_empty() {
        lines.push(format!("kept, though only a part of the head is there: {}", heads.parts.join(", ")));
    }
    lines.push(match reads {
        Reads::Pictures(PictureSize { height, width, channels }) => {
            format!("pictures of {height} × {width} pixels of {channels} colours")
        }
        Reads::Sounds(SoundSize { rate, frames_per_unit, .. }) => {
            format!("waves of {rate} samples a second, a row for every {frames_per_unit}")
        }
        Reads::Text(Vocabulary { size, tokens: None, .. }) => format!("no tokenizer; vocabulary of {size}"),
        Reads::Text(Vocabulary { size, tokens: Some(tokens), .. }) if tokens < size => {
            format!("tokenizer of {tokens} tokens; the vocabulary has {size} rows, the rest are never used")
        }
        Reads::Text(Vocabulary { tokens: Some(tokens), .. }) => format!("tokenizer of {tokens} tokens"),
    });
    lines.push(format!("→ {}", out.display()));
    lines
}

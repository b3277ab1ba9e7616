//! `lacuna export`: a run's model, or a model folder, becomes a Hugging Face folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use records::{Dtype, TensorBytes, write_tensors};
use serde_json::{Map, Value as Json, json};

use super::pieces::{cut, from_matrix, joined, transposed};
use super::table::{NameRow, NameTable};
use crate::boundary::hugging_face_settings;
use crate::error::{Error, Result};
use crate::loader::Catalogue;
use crate::models::{NewFolder, Opened, Pick, Stored, head_kind};
use crate::train::file_dtype;

/// What is exported, and where to.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// The run or model folder.
    pub place: PathBuf,
    /// Which model and checkpoint of it.
    pub pick: Pick,
    /// The Hugging Face folder to make.
    pub out: PathBuf,
    /// At most so many bytes of tensors in a file.
    pub shard_size: u64,
}

/// What was exported.
#[derive(Debug, Clone)]
pub struct Exported {
    /// The folder.
    pub out: PathBuf,
    /// `architectures` of its `config.json`.
    pub architecture: String,
    /// Its weight files.
    pub files: Vec<String>,
    /// Keys in them.
    pub keys: usize,
    /// Bytes of all tensors.
    pub bytes: u64,
    /// Tensors of ours that the published architecture has no place for.
    pub left_out: Vec<String>,
    /// Whether it has a tokenizer.
    pub has_tokenizer: bool,
}

/// Exports a model.
///
/// # Errors
/// When its settings are of no published architecture, its weights do not fit, or the folder is there already.
pub fn export(options: &ExportOptions, catalogue: &Catalogue) -> Result<Exported> {
    let new = NewFolder::begin(&options.out)?;
    let opened = Opened::build(Stored::one(&options.place, &options.pick)?, catalogue)?;
    let family = opened.stored.family.clone();
    let table = opened.model.hugging_face()?.ok_or_else(|| {
        Error::new("plugin/interface", format!("the family `{family}` has no names in Hugging Face files"))
    })?;
    let own_config = opened.model.hugging_face_config()?.unwrap_or_default();
    let own_config: Json = serde_json::from_str(&own_config)
        .map_err(|error| Error::new("plugin/config", format!("`{family}` gives a broken config.json: {error}")))?;
    let table = NameTable::from_json(&family, &table)?;
    let is_bare = opened.heads.is_empty();
    let (tensors, left_out) = theirs(&opened, &table, is_bare)?;
    let config = config(&opened, own_config, &tensors)?;
    let files = write_weights(&new, &tensors, options.shard_size)?;
    new.write("config.json", format!("{config:#}\n").as_bytes())?;
    let has_tokenizer = write_tokenizer(&new, &opened)?;
    new.finish()?;
    Ok(Exported {
        out: options.out.clone(),
        architecture: config["architectures"][0].as_str().unwrap_or_default().to_owned(),
        files,
        keys: tensors.len(),
        bytes: tensors.iter().map(|tensor| tensor.bytes.len() as u64).sum(),
        left_out,
        has_tokenizer,
    })
}

/// Their tensors, in the order of their names, and what of ours has no place among them.
fn theirs(opened: &Opened, table: &NameTable, is_bare: bool) -> Result<(Vec<TensorBytes>, Vec<String>)> {
    let weights = opened.weights();
    let named = opened.stored.tensors.named();
    let mut ours: BTreeMap<&str, TensorBytes> = BTreeMap::new();
    for (name, saved) in &named {
        // Buffers are no weights of theirs.
        if head_kind(name).is_some() || weights.contains_key(name) {
            let dtype = file_dtype(name, saved.dtype)?;
            let (shape, bytes) = (saved.shape.clone(), saved.bytes.clone());
            ours.insert(name, TensorBytes { name: name.clone(), dtype, shape, bytes });
        }
    }
    let imported = opened.stored.import.as_ref().and_then(|import| import["keys"].as_array());
    let imported: BTreeSet<&str> = imported.into_iter().flatten().filter_map(|row| row["key"].as_str()).collect();
    let mut by_theirs: BTreeMap<&str, Vec<&NameRow>> = BTreeMap::new();
    for row in chosen(table, &imported) {
        if ours.contains_key(row.own.as_str()) {
            by_theirs.entry(&row.theirs).or_default().push(row);
        } else if head_kind(&row.own).is_none() {
            return Err(Error::new(
                "plugin/names",
                format!("the model has no weight `{}`, which the table names", row.own),
            ));
        }
    }
    let mut out = Vec::new();
    let mut used = BTreeSet::new();
    for (name, rows) in by_theirs {
        used.extend(rows.iter().map(|row| row.own.as_str()));
        let name_there = if is_bare { table.bare(name) } else { name };
        let fault = || {
            let own: Vec<&str> = rows.iter().map(|row| row.own.as_str()).collect();
            Error::new("plugin/names", format!("`{name}` cannot be made from {}", own.join(", ")))
        };
        let tensor = assembled(&ours, &rows).ok_or_else(fault)?;
        out.push(TensorBytes { name: name_there.to_owned(), ..tensor });
    }
    for (name, shape) in &table.zeros {
        let bytes = vec![0; shape.iter().product::<usize>() * 4];
        let name = if is_bare { table.bare(name) } else { name };
        out.push(TensorBytes { name: name.to_owned(), dtype: Dtype::F32, shape: shape.clone(), bytes });
    }
    let bare = |name| if is_bare { table.bare(name) } else { name };
    for (name, of) in &table.unused {
        let copy = out.iter().find(|tensor| tensor.name == bare(of)).cloned();
        out.extend(copy.map(|tensor| TensorBytes { name: bare(name).to_owned(), ..tensor }));
    }
    for (name, shape, values) in &table.constants {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let name = if is_bare { table.bare(name) } else { name };
        out.push(TensorBytes { name: name.to_owned(), dtype: Dtype::F32, shape: shape.clone(), bytes });
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    let left_out: Vec<String> =
        ours.keys().filter(|name| !used.contains(**name)).map(|name| (*name).to_owned()).collect();
    if let Some(lost) = left_out.iter().find(|name| head_kind(name).is_none()) {
        return Err(Error::new("plugin/names", format!("the family's table lacks the weight `{lost}`")));
    }
    Ok((out, left_out))
}

/// Of rows that are alternatives the one that the model was imported from, else the first.
fn chosen<'a>(table: &'a NameTable, imported: &BTreeSet<&str>) -> Vec<&'a NameRow> {
    let mut groups: Vec<Vec<&NameRow>> = Vec::new();
    let mut places = BTreeMap::new();
    for row in &table.names {
        let key = (row.own.as_str(), row.fills.map(|fills| fills.part));
        let place = *places.entry(key).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(row);
    }
    let was_imported =
        |row: &&&NameRow| imported.contains(row.theirs.as_str()) || imported.contains(table.bare(&row.theirs));
    groups.iter().filter_map(|rows| rows.iter().find(was_imported).or(rows.first()).copied()).collect()
}

/// One of theirs from ours; `None` where the parts do not fit.
fn assembled(ours: &BTreeMap<&str, TensorBytes>, rows: &[&NameRow]) -> Option<TensorBytes> {
    let first = rows.first()?;
    let own = |row: &NameRow| ours.get(row.own.as_str()).cloned();
    if let Some(to) = &first.permuted {
        return from_matrix(&own(first)?, to);
    }
    let whole = if let Some(split) = first.split {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| row.split.map(|split| split.part));
        if rows.len() != split.of {
            return None;
        }
        joined(&rows.iter().map(|row| own(row)).collect::<Option<Vec<_>>>()?, split.axis)?
    } else if let Some(fills) = first.fills {
        cut(&own(first)?, fills.axis, fills.part, fills.of)?
    } else {
        own(first)?
    };
    if first.transpose { transposed(&whole) } else { Some(whole) }
}

/// The `config.json`: the one that was imported, as far as it still says the same, else the family's.
fn config(opened: &Opened, mut own: Json, tensors: &[TensorBytes]) -> Result<Json> {
    let by_head = own.as_object_mut().and_then(|own| own.remove("architectures_by_head")).unwrap_or_default();
    let import = opened.stored.import.as_ref();
    let imported = import.map(|import| import["config"].clone()).filter(Json::is_object);
    let mut config = match &imported {
        Some(config) if says_the_same(opened, config)? => config.clone(),
        Some(config) => {
            let mut config = config.clone();
            if let (Some(config), Some(own)) = (config.as_object_mut(), own.as_object()) {
                config.extend(own.clone());
            }
            config
        }
        None => own,
    };
    let kinds: Vec<&str> = opened.heads.keys().map(String::as_str).collect();
    let was: Option<Vec<&str>> =
        import.and_then(|import| Some(import["heads"].as_object()?.keys().map(String::as_str).collect()));
    let known = imported.is_some() && was.as_deref() == Some(&kinds) && config["architectures"].is_array();
    if !known {
        let head = kinds.first().copied().unwrap_or("none");
        if let Some(architecture) = by_head[head].as_str() {
            config["architectures"] = json!([architecture]);
        }
    }
    let mut fill = |key: &str, value: Option<u64>| {
        if let (Some(value), true) = (value, config.get(key).is_none_or(Json::is_null)) {
            config[key] = json!(value);
        }
    };
    if let Some(vocabulary) = opened.stored.vocabulary() {
        fill("vocab_size", Some(vocabulary.size.into()));
        fill("pad_token_id", vocabulary.pad.map(u64::from));
        if opened.model.description().causal || opened.said("decoder_layers").is_some_and(|layers| layers > 0) {
            fill("bos_token_id", vocabulary.begin.map(u64::from));
            fill("eos_token_id", vocabulary.end.map(u64::from));
        }
    }
    if let (Some(_), Some(head)) = (opened.stored.pictures(), opened.heads.get("tokens")) {
        fill("vocab_size", Some(head.size));
    }
    if let (Some(head), None) = (opened.heads.get("classes"), &imported) {
        let labels: Map<String, Json> = labels(opened, head.size)
            .into_iter()
            .enumerate()
            .map(|(id, label)| (id.to_string(), json!(label)))
            .collect();
        let ids: Map<String, Json> = labels
            .iter()
            .map(|(id, label)| (label.as_str().unwrap_or_default().to_owned(), json!(id.parse::<u64>().unwrap_or(0))))
            .collect();
        config["id2label"] = Json::Object(labels);
        config["label2id"] = Json::Object(ids);
    }
    let types: BTreeSet<&str> = tensors.iter().map(|tensor| type_name(tensor.dtype)).collect();
    if let (1, Some(only)) = (types.len(), types.first()) {
        let key = if config.get("torch_dtype").is_some() { "torch_dtype" } else { "dtype" };
        config[key] = json!(only);
    }
    Ok(config)
}

/// Names of the classes: those of the run's labels where they are known.
fn labels(opened: &Opened, size: u64) -> Vec<String> {
    let told = opened.stored.facts.get("text").or_else(|| opened.stored.facts.get("image"));
    let facts = told.and_then(|facts| serde_json::from_str::<Json>(facts).ok());
    let known = facts.as_ref().and_then(|facts| facts.get("labels")).and_then(Json::as_array);
    let known: Vec<String> = known.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect();
    if known.len() as u64 == size { known } else { (0..size).map(|id| format!("LABEL_{id}")).collect() }
}

/// Whether an imported configuration means the settings that the model has.
fn says_the_same(opened: &Opened, config: &Json) -> Result<bool> {
    let Some(settings) = hugging_face_settings(&opened.plugin, &config.to_string())? else { return Ok(false) };
    let Ok(Json::Object(settings)) = serde_json::from_str(&settings) else { return Ok(false) };
    let schema = opened.plugin.manifest.provided(lacuna_abi::name::MODEL, &opened.plugin.path)?;
    let schema = schema.settings.clone().unwrap_or_default();
    let checked = |table: &experiment::Table| {
        experiment::model_settings(&opened.stored.role, &opened.stored.family, table, &schema)
    };
    let theirs = checked(&experiment::Table::from_json(&settings, &opened.stored.place))?;
    Ok(theirs == checked(&opened.stored.settings)?)
}

fn type_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F16 => "float16",
        Dtype::BF16 => "bfloat16",
        _ => "float32",
    }
}

/// Writes one file, or shards and their index.
fn write_weights(new: &NewFolder, tensors: &[TensorBytes], most: u64) -> Result<Vec<String>> {
    let mut shards: Vec<Vec<&TensorBytes>> = vec![Vec::new()];
    let mut room = most;
    for tensor in tensors {
        let size = tensor.bytes.len() as u64;
        if size > room && shards.last().is_some_and(|shard| !shard.is_empty()) {
            shards.push(Vec::new());
            room = most;
        }
        room = room.saturating_sub(size);
        if let Some(shard) = shards.last_mut() {
            shard.push(tensor);
        }
    }
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let count = shards.len();
    let mut map = BTreeMap::new();
    let mut files = Vec::new();
    for (number, shard) in shards.iter().enumerate() {
        let name = match count {
            1 => "model.safetensors".to_owned(),
            _ => format!("model-{:05}-of-{count:05}.safetensors", number + 1),
        };
        let whole: Vec<TensorBytes> = shard.iter().map(|tensor| (*tensor).clone()).collect();
        write_tensors(&new.file(&name), &whole, &metadata)?;
        map.extend(shard.iter().map(|tensor| (tensor.name.clone(), name.clone())));
        files.push(name);
    }
    if count > 1 {
        let total: usize = tensors.iter().map(|tensor| tensor.bytes.len()).sum();
        let index = json!({ "metadata": { "total_size": total }, "weight_map": map });
        new.write("model.safetensors.index.json", format!("{index:#}\n").as_bytes())?;
    }
    Ok(files)
}

/// The tokenizer and what `AutoTokenizer` wants to know of it.
fn write_tokenizer(new: &NewFolder, opened: &Opened) -> Result<bool> {
    let Some(path) = &opened.stored.tokenizer else { return Ok(false) };
    new.copy(path, "tokenizer.json")?;
    let folder = path.parent().unwrap_or_else(|| std::path::Path::new("."));
    new.copy(&folder.join("special_tokens_map.json"), "special_tokens_map.json")?;
    if new.copy(&folder.join("tokenizer_config.json"), "tokenizer_config.json")? {
        return Ok(true);
    }
    let tokenizer = opened.tokenizer()?;
    let vocabulary = tokenizer.vocabulary();
    let causal = opened.model.description().causal;
    let mut config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": false,
        "model_input_names": ["input_ids", "attention_mask"],
        "padding_side": "right",
    });
    let (begin, end) = if causal { ("bos_token", "eos_token") } else { ("cls_token", "sep_token") };
    for (key, id) in [
        ("pad_token", vocabulary.pad),
        (begin, vocabulary.begin),
        (end, vocabulary.end),
        ("mask_token", vocabulary.mask),
        ("unk_token", vocabulary.unknown),
    ] {
        if let Some(token) = id.and_then(|id| tokenizer.token(id)) {
            config[key] = json!(token);
        }
    }
    if let Some(length) = opened.said("maximum_length") {
        config["model_max_length"] = json!(length);
    }
    new.write("tokenizer_config.json", format!("{config:#}\n").as_bytes())?;
    Ok(true)
}

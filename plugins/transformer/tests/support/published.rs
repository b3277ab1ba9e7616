//! Folders as transformers writes them: a model with its weights put in by the family's own table, and what is expected of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use compute::{Device, Tensor, Value};
use lacuna::boundary::{Content, HeadInstance, Object, Scope, TensorState};
use plugin_api::HuggingFace;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value as Json;
use transformer::Transformer;

use super::support::{Built, build};

/// A folder under `tests/fixtures`.
pub(crate) struct Published {
    pub(crate) config: Json,
    weights: BTreeMap<String, Value>,
    expected: BTreeMap<String, Value>,
}

impl Published {
    pub(crate) fn read(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let config = std::fs::read(folder.join("config.json")).unwrap();
        Self {
            config: serde_json::from_slice(&config).unwrap(),
            weights: values(&folder.join("model.safetensors")),
            expected: values(&folder.join("expected.safetensors")),
        }
    }

    /// The settings that the family reads out of its `config.json`, or that stand there.
    pub(crate) fn settings(&self) -> Json {
        if let Some(settings) = self.config.get("settings") {
            return settings.clone();
        }
        Transformer::settings_of(&self.config).unwrap().expect("a known architecture")
    }

    /// The model with its weights, of which each is in the file, and each key of the file used or known; and its head.
    pub(crate) fn build(&self) -> (Built, Arc<HeadInstance>) {
        self.build_with(&[], "tokens", 0)
    }

    /// The same with other settings, and a head of another kind and size.
    pub(crate) fn build_with(&self, changes: &[(&str, Json)], kind: &str, size: u64) -> (Built, Arc<HeadInstance>) {
        let vocabulary = self.config["vocab_size"].as_u64().unwrap() as usize;
        let mut settings = self.settings();
        for (name, value) in changes {
            settings[*name] = value.clone();
        }
        let built = build(vocabulary, &settings.to_string()).unwrap();
        let head = built.model.head(&Scope::new(&built.context, "objective", "the test"), kind, size).unwrap();
        let of_head = format!("{kind}.");
        let table: Json = serde_json::from_str(&built.model.hugging_face().unwrap().unwrap()).unwrap();
        let mut used = BTreeSet::new();
        for weight in built.context.weights.all() {
            let own = match (weight.name().strip_prefix("encoder."), weight.name().find(&of_head)) {
                (Some(name), _) => name,
                (None, Some(start)) => &weight.name()[start..],
                (None, None) => panic!("a weight of nobody: {}", weight.name()),
            };
            if own.contains(".lora_") {
                continue;
            }
            weight.set_value(&self.found(own, &table, &mut used)).unwrap();
        }
        let known = |key: &String| {
            used.contains(key)
                || ["copies", "unused"]
                    .into_iter()
                    .flat_map(|kind| table[kind].as_array().unwrap())
                    .any(|row| row[0] == key.as_str())
                || table["ignored"].as_array().unwrap().iter().any(|glob| {
                    let glob = glob.as_str().unwrap();
                    glob == key || glob.strip_prefix('*').is_some_and(|ending| key.ends_with(ending))
                })
        };
        let left: Vec<&String> = self.weights.keys().filter(|key| !known(key)).collect();
        assert!(left.is_empty(), "no weight for {left:?}");
        (built, head)
    }

    /// The value of a weight of ours, by the rows of the table.
    fn found(&self, own: &str, table: &Json, used: &mut BTreeSet<String>) -> Value {
        let number = |split: &Json, key: &str| split[key].as_u64().unwrap() as usize;
        let mut parts: Vec<(usize, Value)> = Vec::new();
        if self.config.get("settings").is_some() {
            used.insert(own.to_owned());
            return self.weights.get(own).unwrap_or_else(|| panic!("the file has no {own}")).clone();
        }
        for row in table["names"].as_array().unwrap().iter().filter(|row| row["own"] == own) {
            let name = row["theirs"].as_str().unwrap().to_owned();
            let Some(value) = self.weights.get(&name) else { continue };
            let mut value = if row["transpose"] == true { value.t().unwrap() } else { value.clone() };
            if !row["split"].is_null() {
                let (axis, of) = (number(&row["split"], "axis"), number(&row["split"], "of"));
                let length = value.dims()[axis] / of;
                value = value.narrow(axis, number(&row["split"], "part") * length, length).unwrap();
            }
            let place = if row["fills"].is_null() { 0 } else { number(&row["fills"], "part") };
            used.insert(name);
            parts.push((place, value.contiguous().unwrap()));
        }
        parts.sort_by_key(|(place, _)| *place);
        let parts: Vec<Value> = parts.into_iter().map(|(_, value)| value).collect();
        assert!(!parts.is_empty(), "the file has nothing for {own}");
        Value::cat(&parts, 0).unwrap()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.expected.contains_key(name)
    }

    pub(crate) fn expected(&self, name: &str) -> Tensor {
        Tensor::constant(self.expected.get(name).unwrap_or_else(|| panic!("nothing is expected of {name}")).clone())
    }

    pub(crate) fn integers(&self, name: &str) -> Vec<i64> {
        self.expected(name).value().flatten_all().unwrap().to_vec1().unwrap()
    }

    pub(crate) fn tokens(&self, name: &str) -> Vec<u32> {
        self.integers(name).into_iter().map(|id| id as u32).collect()
    }

    pub(crate) fn lengths(&self, name: &str) -> Vec<usize> {
        self.integers(name).into_iter().map(|length| length as usize).collect()
    }

    /// Rows of integers, which end before the first below 0.
    pub(crate) fn rows(&self, name: &str) -> Vec<Vec<u32>> {
        let rows: Vec<Vec<i64>> = self.expected(name).value().to_vec2().unwrap();
        let real = |row: Vec<i64>| row.into_iter().take_while(|id| *id >= 0).map(|id| id as u32).collect();
        rows.into_iter().map(real).collect()
    }
}

/// Logits of hidden rows.
pub(crate) fn logits(built: &Built, head: &HeadInstance, hidden_nd: &Tensor) -> Tensor {
    let logits = head.apply(&built.call(false), &Object::new(hidden_nd.clone())).unwrap();
    match logits.content() {
        Content::Tensor(TensorState::Ready(tensor)) => tensor.clone(),
        _ => panic!("logits are a tensor"),
    }
}

fn values(file: &std::path::Path) -> BTreeMap<String, Value> {
    let bytes = std::fs::read(file).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let value = |view: safetensors::tensor::TensorView<'_>| match view.dtype() {
        Dtype::F32 => {
            let data: Vec<f32> = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            Value::from_vec(data, view.shape(), &Device::Cpu).unwrap()
        }
        Dtype::I64 => {
            let data: Vec<i64> = view.data().as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
            Value::from_vec(data, view.shape(), &Device::Cpu).unwrap()
        }
        other => panic!("numbers of the kind {other:?}"),
    };
    file.tensors().into_iter().map(|(name, view)| (name, value(view))).collect()
}

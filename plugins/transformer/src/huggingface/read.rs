//! Reading a `config.json`: values of the right type, and refusals that name the key.

use plugin_api::Json;
use plugin_api::prelude::*;

/// A `config.json`. Keys that are null count as left out.
pub(crate) struct Config<'a>(&'a Json);

impl<'a> Config<'a> {
    pub(crate) fn new(config: &'a Json) -> Self {
        Self(config)
    }

    /// The value of `key`, unless it is left out.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Json> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// A whole number that has to be there.
    pub(crate) fn count(&self, key: &str) -> Result<u64> {
        let value = self.get(key).ok_or_else(|| Error::data(format!("config.json lacks `{key}`")))?;
        value.as_u64().ok_or_else(|| wrong(key, value, "a whole number"))
    }

    /// A whole number.
    pub(crate) fn count_or(&self, key: &str, default: u64) -> Result<u64> {
        self.get(key).map_or(Ok(default), |value| value.as_u64().ok_or_else(|| wrong(key, value, "a whole number")))
    }

    /// A whole number that may be negative.
    pub(crate) fn whole(&self, key: &str, default: i64) -> Result<i64> {
        self.get(key).map_or(Ok(default), |value| value.as_i64().ok_or_else(|| wrong(key, value, "a whole number")))
    }

    /// A number.
    pub(crate) fn number(&self, key: &str, default: f64) -> Result<f64> {
        self.get(key).map_or(Ok(default), |value| value.as_f64().ok_or_else(|| wrong(key, value, "a number")))
    }

    /// A yes or no.
    pub(crate) fn flag(&self, key: &str, default: bool) -> Result<bool> {
        self.get(key).map_or(Ok(default), |value| value.as_bool().ok_or_else(|| wrong(key, value, "true or false")))
    }

    /// A text.
    pub(crate) fn text(&self, key: &str, default: &'a str) -> Result<&'a str> {
        self.get(key).map_or(Ok(default), |value| value.as_str().ok_or_else(|| wrong(key, value, "a text")))
    }

    /// Our name of an activation.
    pub(crate) fn activation(&self, key: &str, default: &'a str) -> Result<&'static str> {
        let name = self.text(key, default)?;
        Ok(match name {
            "gelu" | "gelu_python" => "gelu",
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => "gelu_tanh",
            "relu" => "relu",
            "silu" | "swish" => "silu",
            _ => return Err(self.refused(key)),
        })
    }

    /// Whether one of `architectures` ends with one of `endings`.
    pub(crate) fn is_for(&self, endings: &[&str]) -> bool {
        let names = self.get("architectures").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        names.into_iter().any(|name| endings.iter().any(|ending| name.ends_with(ending)))
    }

    /// Refuses the file where `key` has another value than `expected`.
    pub(crate) fn must_be(&self, key: &str, expected: &Json) -> Result<()> {
        match self.get(key) {
            Some(value) if value != expected => Err(self.refused(key)),
            _ => Ok(()),
        }
    }

    /// The error of a value that this family has no setting for.
    pub(crate) fn refused(&self, key: &str) -> Error {
        let value = self.get(key).map_or_else(|| "null".to_owned(), Json::to_string);
        Error::unsupported(format!("config.json says `{key}`: {value}, which this family cannot do"))
    }
}

/// Their name of an activation.
pub(crate) fn activation(own: &str) -> &str {
    match own {
        "gelu_tanh" => "gelu_pytorch_tanh",
        other => other,
    }
}

fn wrong(key: &str, value: &Json, what: &str) -> Error {
    Error::data(format!("config.json says `{key}`: {value}, which is not {what}"))
}

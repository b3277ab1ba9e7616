//! Schemas: which keys a section has, of which type, in which range, with which default.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::Error;

/// The settings of a section or a plugin, in the order in which they are shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schema {
    /// One entry for each key.
    pub fields: Vec<Field>,
}

/// One setting. Without a default it is required, unless it is optional.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The key.
    pub name: String,
    /// The type of its value.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The value of an experiment that does not give the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Json>,
    /// The least value; in a list, of each element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// The greatest value; in a list, of each element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// The minimum itself is not allowed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub minimum_open: bool,
    /// The maximum itself is not allowed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub maximum_open: bool,
    /// The allowed texts; empty means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The key may be left out and is null then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// What it is, in one sentence.
    #[serde(default)]
    pub doc: String,
}

/// The type of a setting. A whole number passes for a number, never the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits with sign.
    Integer,
    /// A finite number, f64.
    Float,
    /// A text.
    Text,
    /// A list of numbers.
    Floats,
    /// A list of whole numbers.
    Integers,
    /// A list of texts.
    Texts,
}

impl Kind {
    /// The type in words, for errors and for the reference page.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Integer => "a whole number",
            Self::Float => "a number",
            Self::Text => "a text",
            Self::Floats => "a list of numbers",
            Self::Integers => "a list of whole numbers",
            Self::Texts => "a list of texts",
        }
    }

    /// The type of an element, for the three lists.
    pub(crate) fn element(self) -> Option<Self> {
        match self {
            Self::Floats => Some(Self::Float),
            Self::Integers => Some(Self::Integer),
            Self::Texts => Some(Self::Text),
            _ => None,
        }
    }
}

impl Schema {
    /// Reads the JSON list of fields that a plugin's manifest holds:
    /// `[{"name":"mask_rate","type":"float","default":0.15,"minimum":0.01,"maximum":0.9,"doc":"Share to predict."}]`.
    /// Keys of a field that this host does not know are passed over, so that plugins may be newer.
    ///
    /// # Errors
    /// [`Error::Schema`] when it is not such a list, names a key twice, or a default breaks its own rules.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let json = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        Self::from_value(json)
    }

    /// As [`Schema::from_json`], from JSON that is parsed already.
    ///
    /// # Errors
    /// As [`Schema::from_json`].
    pub fn from_value(json: Json) -> Result<Self, Error> {
        let mut schema: Self = serde_json::from_value(json).map_err(|error| wrong(&error.to_string()))?;
        for index in 0..schema.fields.len() {
            let name = schema.fields[index].name.clone();
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(wrong(&format!("`{}` is not a name of letters, digits and `_`", name.escape_debug())));
            }
            if schema.fields[..index].iter().any(|field| field.name == name) {
                return Err(wrong(&format!("`{name}` is there twice")));
            }
            schema.fields[index].settle_default()?;
        }
        Ok(schema)
    }

    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// The same rules as for values, written as a table: `Field::new("seed", Kind::Integer, "…").or(0).at_least(0.0)`.
impl Field {
    /// A required field without bounds.
    pub fn new(name: &str, kind: Kind, doc: &str) -> Self {
        Self {
            name: name.into(),
            kind,
            default: None,
            minimum: None,
            maximum: None,
            minimum_open: false,
            maximum_open: false,
            choices: Vec::new(),
            optional: false,
            doc: doc.into(),
        }
    }

    /// With a default.
    pub fn or(self, default: impl Into<Json>) -> Self {
        Self { default: Some(default.into()), ..self }
    }

    /// Null when it is left out.
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// `minimum` or more.
    pub fn at_least(self, minimum: f64) -> Self {
        Self { minimum: Some(minimum), minimum_open: false, ..self }
    }

    /// More than `minimum`.
    pub fn more_than(self, minimum: f64) -> Self {
        Self { minimum: Some(minimum), minimum_open: true, ..self }
    }

    /// `maximum` or less.
    pub fn at_most(self, maximum: f64) -> Self {
        Self { maximum: Some(maximum), maximum_open: false, ..self }
    }

    /// Less than `maximum`.
    pub fn less_than(self, maximum: f64) -> Self {
        Self { maximum: Some(maximum), maximum_open: true, ..self }
    }

    /// One of these texts.
    pub fn one_of(self, choices: &[&str]) -> Self {
        Self { choices: choices.iter().map(|&choice| choice.to_owned()).collect(), ..self }
    }

    /// Whether a number lies within the bounds; NaN never does.
    pub(crate) fn admits(&self, value: f64) -> bool {
        let above = self.minimum.is_none_or(|least| if self.minimum_open { value > least } else { value >= least });
        let below = self.maximum.is_none_or(|most| if self.maximum_open { value < most } else { value <= most });
        value.is_finite() && above && below
    }

    /// The bounds in words: `from 0.01 to 0.9`, `more than 0`; empty without bounds.
    pub fn range_in_words(&self) -> String {
        let least = self
            .minimum
            .map(|value| format!("{}{}", if self.minimum_open { "more than " } else { "at least " }, number(value)));
        let most = self
            .maximum
            .map(|value| format!("{}{}", if self.maximum_open { "less than " } else { "at most " }, number(value)));
        match (least, most) {
            (None, None) => String::new(),
            (Some(one), None) | (None, Some(one)) => one,
            (Some(_), Some(_)) if !self.minimum_open && !self.maximum_open => {
                format!(
                    "from {} to {}",
                    number(self.minimum.unwrap_or_default()),
                    number(self.maximum.unwrap_or_default())
                )
            }
            (Some(least), Some(most)) => format!("{least} and {most}"),
        }
    }

    /// Holds the default to the field's own rules, whole numbers of a `float` made numbers.
    fn settle_default(&mut self) -> Result<(), Error> {
        let Some(default) = &self.default else { return Ok(()) };
        if self.optional {
            return Err(wrong(&format!("`{}` is optional and has a default", self.name)));
        }
        let settled = self
            .settle(default)
            .ok_or_else(|| wrong(&format!("the default of `{}` breaks its own rules", self.name)))?;
        self.default = Some(settled);
        Ok(())
    }

    fn settle(&self, value: &Json) -> Option<Json> {
        let Some(element) = self.kind.element() else { return self.settle_one(self.kind, value) };
        let items = value.as_array()?.iter().map(|item| self.settle_one(element, item)).collect::<Option<Vec<_>>>()?;
        Some(Json::Array(items))
    }

    fn settle_one(&self, kind: Kind, value: &Json) -> Option<Json> {
        match kind {
            Kind::Bool => value.as_bool().map(Json::Bool),
            Kind::Integer => value.as_i64().filter(|&whole| self.admits(whole as f64)).map(Json::from),
            Kind::Float => value.as_f64().filter(|&value| self.admits(value)).map(Json::from),
            _ => value.as_str().filter(|text| self.allows(text)).map(Json::from),
        }
    }

    pub(crate) fn allows(&self, text: &str) -> bool {
        self.choices.is_empty() || self.choices.iter().any(|choice| choice == text)
    }
}

/// A bound as people write it: `1`, `0.01`, `1e-8`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e9).contains(&size) { format!("{value:e}") } else { format!("{value}") }
}

fn wrong(reason: &str) -> Error {
    Error::Schema { what: "the plugin".into(), reason: reason.into() }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

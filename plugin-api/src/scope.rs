//! Scopes: where an instance gets its weights, models and vocabularies from.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::labels;
use crate::modality::{Pictures, Sounds};
use crate::model::Model;
use crate::raw::{Object, models, weights};
use crate::vocabulary::Vocabulary;
use crate::weight::{Buffer, Init, Weight, WeightOptions};

/// A path for weights, given to an instance while it is made.
#[derive(Clone)]
pub struct Scope {
    object: Result<Object>,
    /// Whether weights made here stay as they are.
    frozen: bool,
}

impl Scope {
    pub(crate) fn from_object(object: Object) -> Self {
        Self { object: Ok(object), frozen: false }
    }

    pub(crate) fn object(&self) -> Result<&Object> {
        self.object.as_ref().map_err(Clone::clone)
    }

    /// The scope `name` below this one (`layers.0`). A name the host refuses comes out when the scope is used.
    #[must_use]
    pub fn at(&self, name: &str) -> Self {
        let object = self.object().and_then(|scope| weights::inner_scope(scope, name));
        Self { object, frozen: self.frozen }
    }

    /// The same scope, where weights are never trained (or are again).
    #[must_use]
    pub fn frozen(&self, frozen: bool) -> Self {
        Self { object: self.object.clone(), frozen }
    }

    /// A weight, `f32`, decayed if it has two axes or more.
    ///
    /// # Errors
    /// When the name is taken, or the weight does not fit the checkpoint that is being loaded.
    pub fn weight(&self, name: &str, dims: &[usize], init: Init) -> Result<Weight> {
        self.weight_with(name, dims, init, &WeightOptions::new())
    }

    /// A weight with something particular.
    ///
    /// # Errors
    /// As [`Scope::weight`].
    pub fn weight_with(&self, name: &str, dims: &[usize], init: Init, options: &WeightOptions) -> Result<Weight> {
        let frozen;
        let options = if self.frozen {
            frozen = options.clone().frozen();
            &frozen
        } else {
            options
        };
        let made = weights::request(self.object()?, name, dims, init, DType::F32, options, false)?;
        Ok(Weight::from_object(made))
    }

    /// A buffer: state without a gradient, saved with the checkpoint.
    ///
    /// # Errors
    /// As [`Scope::weight`].
    pub fn buffer(&self, name: &str, dims: &[usize], init: Init, dtype: DType) -> Result<Buffer> {
        let made = weights::request(self.object()?, name, dims, init, dtype, &WeightOptions::new(), true)?;
        Ok(Buffer::from_object(made))
    }

    /// The model of a role; the host builds it when it is first asked for.
    ///
    /// # Errors
    /// When the experiment has no `[model.role]`, or its family cannot be built.
    pub fn model(&self, role: &str) -> Result<Model> {
        Ok(Model::from_object(models::role(self.object()?, role)?))
    }

    /// The vocabulary of a modality (`text`).
    ///
    /// # Errors
    /// When the experiment's data has no such modality.
    pub fn vocabulary(&self, modality: &str) -> Result<Vocabulary> {
        let json = models::vocabulary(self.object()?, modality)?;
        Vocabulary::from_json(modality, &json)
    }

    /// The names of the labels of a modality (`text`): a label's number is its place here. Of tags, the names of the tags.
    ///
    /// # Errors
    /// When the experiment's data has no labels, or they are numbers.
    pub fn labels(&self, modality: &str) -> Result<Vec<String>> {
        labels::names(modality, &models::vocabulary(self.object()?, modality)?)
    }

    /// What a label of a modality is: `class` (`text.label`, `image.label`), `score` (`text.score`), `tags` (`text.tags`) or `classes`
    /// (`image.classes`); `None` where the data does not say.
    ///
    /// # Errors
    /// When the experiment's data has no such modality.
    pub fn label_kind(&self, modality: &str) -> Result<Option<String>> {
        labels::kind(modality, &models::vocabulary(self.object()?, modality)?)
    }

    /// The size of the experiment's pictures.
    ///
    /// # Errors
    /// When it learns from something else.
    pub fn pictures(&self) -> Result<Pictures> {
        Pictures::from_json(&models::vocabulary(self.object()?, "image")?)
    }

    /// The size of the experiment's sounds.
    ///
    /// # Errors
    /// When it learns from something else.
    pub fn sounds(&self) -> Result<Sounds> {
        Sounds::from_json(&models::vocabulary(self.object()?, "audio")?)
    }

    /// An error about this scope, for families that refuse what they are asked to build.
    #[track_caller]
    #[must_use]
    pub fn refuse(&self, text: impl Into<String>) -> Error {
        Error::new("plugin/build", text)
    }
}

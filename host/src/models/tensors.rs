//! The weights of one model, wherever they lie, under bare names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use compute::weights::Saved;
use records::{Checkpoint, TensorFile};

use super::folder::{MODEL_FILE, WEIGHTS_FILE};
use super::stored::Pick;
use crate::error::{Error, Result};
use crate::train::{AVERAGES, OBJECTIVE, materialise, saved};

/// The kinds of heads: what their names begin with.
pub const HEAD_KINDS: [&str; 4] = ["tokens", "classes", "scalar", "values"];

/// The kind of head that a bare name belongs to, and the name below it.
#[must_use]
pub fn head_kind(name: &str) -> Option<(&'static str, &str)> {
    let (first, rest) = name.split_once('.')?;
    HEAD_KINDS.into_iter().find(|kind| *kind == first).map(|kind| (kind, rest))
}

/// Weights and buffers of one model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelTensors {
    /// The file of the weights.
    pub file: PathBuf,
    /// By the name below the model.
    pub model: BTreeMap<String, Saved>,
    /// Heads by the path of who asked for them (empty in a model folder) and kind; tensors by the name below the kind.
    pub heads: BTreeMap<(String, String), BTreeMap<String, Saved>>,
}

impl ModelTensors {
    /// The weights that `path` holds for a model: a model folder, a run, or a file with the names of either.
    ///
    /// # Errors
    /// When there is no such role or checkpoint, or a file is damaged.
    pub fn read(path: &Path, role: &str, pick: &Pick) -> Result<Self> {
        if path.join(MODEL_FILE).is_file() {
            let file = path.join(WEIGHTS_FILE);
            return Ok(Self::bare(saved(TensorFile::open(&file)?.tensors()?)?, file));
        }
        if path.is_dir() {
            return Self::of_run(path, role, pick);
        }
        let file = TensorFile::open(path)?;
        let mut state = saved(file.tensors()?)?;
        materialise(&mut state, &file.metadata())?;
        // A run's file holds all roles under their names; a family's own file holds bare names.
        let wanted = pick.role.as_deref().unwrap_or(role);
        if state.keys().any(|name| name.starts_with(&format!("{wanted}."))) {
            return Ok(Self::of_role(state, path.to_path_buf(), wanted, &[wanted.to_owned(), OBJECTIVE.to_owned()]));
        }
        Ok(Self::bare(state, path.to_path_buf()))
    }

    fn of_run(run: &Path, role: &str, pick: &Pick) -> Result<Self> {
        let roles = super::stored::roles_of_run(run)?;
        let role = pick.role_of(role, &roles, run)?;
        let checkpoint = super::stored::checkpoint(run, &pick.checkpoint)?;
        let file = checkpoint.join(WEIGHTS_FILE);
        let checkpoint = Checkpoint::open(&checkpoint)?;
        let weights = checkpoint.model()?;
        let mut state = saved(weights.tensors()?)?;
        state.extend(saved(checkpoint.buffers()?)?);
        if pick.averaged {
            let optimizer = checkpoint.optimizer()?;
            for name in optimizer.names() {
                if let Some(bare) = name.strip_prefix(AVERAGES)
                    && state.contains_key(bare)
                {
                    let (bare, tensor) = (bare.to_owned(), optimizer.tensor(&name)?);
                    let average = saved(vec![tensor])?.remove(&name);
                    state.extend(average.map(|average| (bare.clone(), Saved { name: bare, ..average })));
                }
            }
        }
        materialise(&mut state, &weights.metadata())?;
        Ok(Self::of_role(state, file, &role, &roles))
    }

    fn bare(state: BTreeMap<String, Saved>, file: PathBuf) -> Self {
        let mut found = Self { file, ..Self::default() };
        for (name, saved) in state {
            match head_kind(&name) {
                Some((kind, rest)) => {
                    let head = found.heads.entry((String::new(), kind.to_owned())).or_default();
                    head.insert(rest.to_owned(), saved);
                }
                None => _ = found.model.insert(name, saved),
            }
        }
        found
    }

    /// The tensors of a role out of a run's; those of other roles and of the objective itself are left.
    fn of_role(state: BTreeMap<String, Saved>, file: PathBuf, role: &str, roles: &[String]) -> Self {
        let below = format!("{role}.");
        let mut found = Self { file, ..Self::default() };
        for (name, saved) in state {
            if let Some(bare) = name.strip_prefix(&below) {
                found.model.insert(bare.to_owned(), saved);
            } else if let Some((path, kind, rest)) = below_head(&name, role)
                && !roles.iter().any(|other| *other != OBJECTIVE && name.starts_with(&format!("{other}.")))
            {
                let head = found.heads.entry((path.to_owned(), kind.to_owned())).or_default();
                head.insert(rest.to_owned(), saved);
            }
        }
        found
    }

    /// The tensors of a head: of that path, else of the objective, else the first of its kind.
    #[must_use]
    pub fn head(&self, path: &str, kind: &str) -> Option<&BTreeMap<String, Saved>> {
        let at = |path: &str| self.heads.get(&(path.to_owned(), kind.to_owned()));
        at(path)
            .or_else(|| at(OBJECTIVE))
            .or_else(|| self.heads.iter().find(|((_, found), _)| found == kind).map(|(_, tensors)| tensors))
    }

    /// The tensor that belongs to a weight `name` of a run with the model in the role `role`; `None` where there is none, or
    /// the weight is neither the model's nor one of its heads'.
    #[must_use]
    pub fn for_weight(&self, name: &str, role: &str) -> Option<&Saved> {
        if let Some(bare) = name.strip_prefix(&format!("{role}.")) {
            return self.model.get(bare);
        }
        let (path, kind, rest) = below_head(name, role)?;
        self.head(path, kind)?.get(rest)
    }

    /// All under bare names; of several heads of a kind one.
    #[must_use]
    pub fn named(&self) -> BTreeMap<String, &Saved> {
        let mut all: BTreeMap<String, &Saved> = self.model.iter().map(|(name, saved)| (name.clone(), saved)).collect();
        for kind in HEAD_KINDS {
            let head = self.head(OBJECTIVE, kind).into_iter().flatten();
            all.extend(head.map(|(name, saved)| (format!("{kind}.{name}"), saved)));
        }
        all
    }
}

/// Of `objective.encoder.tokens.cls.bias` and `encoder`: `objective`, `tokens`, `cls.bias`.
pub(crate) fn below_head<'a>(name: &'a str, role: &str) -> Option<(&'a str, &'static str, &'a str)> {
    let middle = format!(".{role}.");
    name.match_indices(&middle).find_map(|(place, _)| {
        let (kind, rest) = head_kind(&name[place + middle.len()..])?;
        Some((&name[..place], kind, rest))
    })
}

/// The error of a file that does not hold what the model needs.
pub(crate) fn misfit(file: &Path, what: &str) -> Error {
    Error::new("run/weights", format!("`{}` {what}", file.display()))
        .with_help("the model's settings, and the size of the vocabulary, must be those it was trained with")
}

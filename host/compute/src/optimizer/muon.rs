//! Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"): the momentum of a matrix, made
//! orthogonal.

use std::collections::BTreeMap;

use super::adamw::{AdamW, AdamWSettings};
use super::clip::norm_of;
use super::groups::{Groups, Item, Plan};
use super::memory::Remembered;
use super::whole::{Whole, WholeRule};
use super::{Optimizer, Settings, StepReport, in_range};
use crate::weights::{Saved, Weight, Weights};
use crate::{Error, Gradients, Result, Value};

/// The coefficients of the iteration: steepest at zero.
const A: f64 = 3.4445;
const B: f64 = -4.7750;
const C: f64 = 2.0315;
/// The least norm that a matrix is divided by.
const LEAST: f64 = 1e-7;
/// Axes whose rows are looked up, not multiplied: such tables are AdamW's.
const TABLES: [&str; 4] = ["vocabulary", "position", "type", "distance"];
/// Marks what the AdamW inside remembers.
const REST: &str = "muon-rest/";

/// How the rate of a matrix `[rows, columns]` follows from the common one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MuonAdjust {
    /// Times √max(1, rows / columns), as Jordan's code has it.
    Original,
    /// Times 0.2 · √max(rows, columns): steps as large as AdamW's, so that both can share a rate (Liu et al. 2025,
    /// arXiv:2502.16982, section 2.2).
    MatchRms,
}

impl MuonAdjust {
    /// Names, for settings.
    pub const NAMES: [&'static str; 2] = ["original", "match_rms"];

    /// By its name.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "original" => Ok(Self::Original),
            "match_rms" => Ok(Self::MatchRms),
            _ => Err(Error::argument("optimizer", format!("`adjust` is `{name}`, not {}", Self::NAMES.join(" or ")))),
        }
    }

    fn factor(self, rows: usize, columns: usize) -> f64 {
        match self {
            Self::Original => (rows as f64 / columns as f64).max(1.0).sqrt(),
            Self::MatchRms => 0.2 * (rows.max(columns) as f64).sqrt(),
        }
    }
}

/// Settings of [`Muon`].
#[derive(Debug, Clone, PartialEq)]
pub struct MuonSettings {
    /// Share of the momentum that is kept, 0 to below 1.
    pub momentum: f64,
    /// Look ahead along the momentum.
    pub nesterov: bool,
    /// Newton–Schulz iterations, at least 1.
    pub iterations: usize,
    /// How the rate of a matrix follows from the common one.
    pub adjust: MuonAdjust,
    /// Factor on the rate of what AdamW moves.
    pub rest_scale: f64,
    /// AdamW's, for all else.
    pub betas: (f64, f64),
    /// AdamW's, for all else.
    pub epsilon: f64,
    /// Which weights, with which rates and decays, and the largest norm.
    pub groups: Groups,
}

/// Muon for weights of two axes that are multiplied with; AdamW for all else: vectors, tables of embeddings and the heads tied
/// to them.
///
/// As `torch.optim.Muon` (`m ← μ · m + (1 − μ) · g`, decay by the common rate), but the iteration runs in the weights' precision
/// and not in bfloat16.
pub struct Muon {
    settings: MuonSettings,
    memory: Whole,
    rest: AdamW,
}

impl Muon {
    /// A fresh optimizer.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(settings: MuonSettings) -> Result<Self> {
        in_range("momentum", settings.momentum, 0.0..1.0)?;
        in_range("newton_schulz_steps", settings.iterations as f64, 1.0..100.0)?;
        in_range("adamw_learning_rate_scale", settings.rest_scale, 0.0..f64::INFINITY)?;
        let MuonSettings { betas, epsilon, groups, .. } = settings.clone();
        let rest = AdamW::new(AdamWSettings { betas, epsilon, groups })?;
        Ok(Self { settings, memory: Whole::new("muon"), rest })
    }
}

pub(super) fn make(settings: &Settings) -> Result<Box<dyn Optimizer>> {
    let Settings { momentum, nesterov, betas, epsilon, groups, muon, .. } = settings.clone();
    Ok(Box::new(Muon::new(MuonSettings { momentum, nesterov, betas, epsilon, groups, ..muon })?))
}

impl Default for MuonSettings {
    fn default() -> Self {
        Self {
            momentum: 0.95,
            nesterov: true,
            iterations: 5,
            adjust: MuonAdjust::MatchRms,
            rest_scale: 1.0,
            betas: (0.9, 0.999),
            epsilon: 1e-8,
            groups: Groups::default(),
        }
    }
}

/// Whether a weight is a matrix that Muon moves.
fn is_matrix(weight: &Weight) -> bool {
    weight.shape().len() == 2 && !weight.axes().iter().any(|axis| TABLES.contains(&axis.as_str()))
}

impl Optimizer for Muon {
    fn name(&self) -> &'static str {
        "muon"
    }

    fn step(&mut self, weights: &Weights, gradients: &mut Gradients, learning_rate: f64) -> Result<StepReport> {
        let Plan { items, norm, factor } = self.settings.groups.plan(weights, gradients, learning_rate)?;
        let (matrices, mut rest): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| is_matrix(&item.weight));
        rest.iter_mut().for_each(|item| item.learning_rate *= self.settings.rest_scale);
        let first = self.memory.step(&self.settings, Plan { items: matrices, norm, factor }, gradients)?;
        let second = self.rest.step_plan(Plan { items: rest, norm, factor }, gradients)?;
        Ok(StepReport { updated: first.updated + second.updated, ..first })
    }

    fn state(&self) -> Result<Vec<Saved>> {
        let mut state = self.memory.state()?;
        let rest = self.rest.state()?.into_iter().map(|saved| Saved { name: format!("{REST}{}", saved.name), ..saved });
        state.extend(rest);
        state.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(state)
    }

    fn load_state(&mut self, weights: &Weights, state: &BTreeMap<String, Saved>) -> Result<()> {
        let (rest, own): (BTreeMap<_, _>, BTreeMap<_, _>) = state
            .iter()
            .map(|(name, saved)| (name.clone(), saved.clone()))
            .partition(|(name, _)| name.starts_with(REST));
        let rest = rest.into_iter().map(|(name, saved)| (name[REST.len()..].to_owned(), saved)).collect();
        self.memory.load_state(&self.settings, weights, &own)?;
        self.rest.load_state(weights, &rest)
    }
}

impl WholeRule for MuonSettings {
    fn remembers(&self, shape: &[usize]) -> Vec<Remembered> {
        vec![("momentum", shape.to_vec())]
    }

    fn change(&self, item: &Item, gradient: &Value, _: u64, memory: &mut [Value]) -> Result<Value> {
        let (kept, taken) = (self.momentum, 1.0 - self.momentum);
        memory[0] = ((&memory[0] * kept)? + (gradient * taken)?)?;
        let direction = if self.nesterov { ((gradient * taken)? + (&memory[0] * kept)?)? } else { memory[0].clone() };
        let (rows, columns) = item.value.dims2()?;
        let rate = item.learning_rate * self.adjust.factor(rows, columns);
        let update = orthogonal(&direction, self.iterations)?;
        Ok(((&item.value * (1.0 - item.learning_rate * item.weight_decay))? - (update * rate)?)?)
    }
}

/// U · Vᵀ of the matrix's singular value decomposition, roughly: singular values end between 0.5 and 1.5.
fn orthogonal(matrix: &Value, iterations: usize) -> Result<Value> {
    let (rows, columns) = matrix.dims2()?;
    let tall = rows > columns;
    let turned = |value: &Value| -> Result<Value> { Ok(value.t()?.contiguous()?) };
    let norm = norm_of(std::iter::once(matrix))?.max(LEAST);
    let mut x = (if tall { turned(matrix)? } else { matrix.clone() } * (1.0 / norm))?;
    for _ in 0..iterations {
        let gram = x.matmul(&x.t()?)?;
        let inner = ((&gram * B)? + (gram.matmul(&gram)? * C)?)?;
        x = ((&x * A)? + inner.matmul(&x)?)?;
    }
    if tall { turned(&x) } else { Ok(x) }
}

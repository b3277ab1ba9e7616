//! An objective that predicts every fourth token, unless it is told to do something wrong.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use plugin_api::prelude::*;

/// The `[objective]` section of an experiment.
#[derive(Settings)]
pub struct MisbehavingSettings {
    /// The fault.
    #[setting(default = "nothing", choices = [
        "nothing", "panic_in_create", "panic_in_loss", "panic_in_collate", "error_with_help", "nan_loss", "no_parts",
        "all_ignored", "wrong_dtype", "wrong_shape", "poisoned_ignored", "never_trains", "asks_for_column", "leaks",
        "starts_thread", "impure_collate", "unknown_role", "too_few_items", "items_sometimes", "figure_twice"
    ])]
    how: String,
    /// The step from which on the fault shows, where it is one of `loss`.
    #[setting(default = 0, range = 0..=1000000)]
    from_call: u64,
}

/// Predicts every fourth token; misbehaves on request.
pub struct Misbehaving {
    how: String,
    from_call: u64,
    encoder: Model,
    tokens: Head,
    mask_token: u32,
    unreached: Option<Weight>,
    calls: AtomicU64,
    kept: Mutex<Vec<Tensor>>,
}

impl Objective for Misbehaving {
    type Settings = MisbehavingSettings;

    fn new(settings: MisbehavingSettings, scope: &Scope) -> Result<Self> {
        let how = settings.how;
        if how == "panic_in_create" {
            panic!("asked to panic in create");
        }
        if how == "unknown_role" {
            scope.model("critic")?;
        }
        let encoder = scope.model("encoder")?;
        let unreached = (how == "never_trains").then(|| scope.weight("unreached", &[3], Init::Ones)).transpose()?;
        Ok(Self {
            tokens: encoder.head(scope, HeadKind::Tokens)?,
            mask_token: scope.vocabulary("text")?.mask_token()?,
            encoder,
            how,
            from_call: settings.from_call,
            unreached,
            calls: AtomicU64::new(0),
            kept: Mutex::new(Vec::new()),
        })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let hidden_nd = self.encoder.encode(&batch.tensor("shown")?, &batch.layout("text")?)?;
        let logits_cv = self.tokens.apply(&hidden_nd.index_select(0, &batch.tensor("chosen")?))?;
        let targets_c = batch.tensor("targets")?;
        let losses_c = logits_cv.cross_entropy(&targets_c);
        let good = Loss::sum_over(&losses_c).targets(&targets_c);
        let good = good.item_rows("losses", &losses_c, &Layout::new(&batch.tensor("counts")?));
        if self.calls.fetch_add(1, Ordering::Relaxed) < self.from_call {
            return Ok(good);
        }
        match self.how.as_str() {
            "panic_in_loss" => {
                let numbers: Vec<u32> = Vec::new();
                Ok(good.metric("never", &Tensor::scalar(numbers[3])))
            }
            "error_with_help" => Err(Error::data("asked to fail").help("ask for `nothing` instead")),
            "nan_loss" => Ok(Loss::sum_over(&(&losses_c * f64::NAN))),
            "no_parts" => Ok(Loss::new()),
            "all_ignored" => Ok(Loss::sum_over(&losses_c.narrow(0, 0, 0))),
            // Floats as ids, and a product whose inner lengths differ.
            "wrong_dtype" => Ok(Loss::sum_over(&hidden_nd.embedding(&hidden_nd))),
            "wrong_shape" => Ok(Loss::sum_over(&logits_cv.matmul(&logits_cv))),
            "too_few_items" => Ok(good.item("few", &losses_c.narrow(0, 0, 1))),
            "items_sometimes" if self.calls.load(Ordering::Relaxed) > 1 => Ok(Loss::sum_over(&losses_c)),
            "poisoned_ignored" => {
                let _unused = hidden_nd.reshape(&[7, 7, 7, 7, 7]);
                Ok(good)
            }
            "asks_for_column" => Ok(good.metric("missing", &batch.tensor("text.chosn")?)),
            "leaks" => {
                if let Ok(mut kept) = self.kept.lock() {
                    kept.push(losses_c.stop_gradient());
                }
                Ok(good)
            }
            "starts_thread" => {
                std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(3600)));
                Ok(good)
            }
            _ => Ok(good),
        }
    }
}

impl Collate for Misbehaving {
    fn collate(&self, samples: &Samples<'_>) -> Result<()> {
        if self.how == "panic_in_collate" {
            panic!("asked to panic in collate");
        }
        let shift = if self.how == "impure_collate" { self.calls.fetch_add(1, Ordering::Relaxed) as usize } else { 0 };
        let (mut shown, mut chosen, mut targets) = (Vec::new(), Vec::<i64>::new(), Vec::<i64>::new());
        let mut counts = Vec::<u32>::new();
        for sample in samples.iter() {
            let (tokens, special) = (sample.u32s("text.tokens")?, sample.bools("text.special")?);
            let (first_row, before) = (sample.first_row("text")?, chosen.len());
            for (place, &token) in tokens.iter().enumerate() {
                let hide = !special[place] && (place + shift).is_multiple_of(4);
                shown.push(if hide { self.mask_token } else { token });
                if hide {
                    chosen.push((first_row + place) as i64);
                    targets.push(i64::from(token));
                }
            }
            counts.push((chosen.len() - before) as u32);
        }
        samples.add("shown", &shown)?;
        samples.add("counts", &counts)?;
        samples.add("chosen", &chosen)?;
        samples.add("targets", &targets)
    }
}

impl Figures for Misbehaving {
    fn figures(&self, items: &Items) -> Result<Vec<(String, f64)>> {
        let losses: Vec<f64> = items.lists("losses")?.concat();
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        let twice = (self.how == "figure_twice").then(|| ("mean_loss".to_owned(), 0.0));
        Ok([("mean_loss".to_owned(), mean), ("samples".to_owned(), items.len() as f64)]
            .into_iter()
            .chain(twice)
            .collect())
    }
}

impl Misbehaving {
    /// The weight that no loss reaches, where that is the fault.
    #[must_use]
    pub fn unreached(&self) -> Option<&Weight> {
        self.unreached.as_ref()
    }
}

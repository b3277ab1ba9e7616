//! What an evaluator has to hold.

use std::sync::Arc;

use lacuna_abi::name;

use super::objective::{Outcome, SEED};
use super::report::Report;
use super::samples::{self, Text};
use super::world::{self, batch_of, collation_of};
use super::{Options, schema};
use crate::boundary::{AddedColumn, Call, EvaluatorInstance, ItemValue, Items, ItemsSoFar};
use crate::error::Result;
use crate::loader::{Catalogue, Found, Plugin};

/// Who is checked, in reports.
const SUBJECT: &str = "evaluator";

pub(super) fn check(catalogue: &Catalogue, found: &Found, options: &Options, report: &mut Report) -> Result<()> {
    let world = match World::new(catalogue, found, options) {
        Ok(world) => world,
        // What the caller asked for is wrong: no fault of the plugin.
        Err(error)
            if error.code().starts_with("config/") && error.frames.is_empty() || error.code() == "plugin/unknown" =>
        {
            return Err(error);
        }
        Err(error) => {
            report.add(SUBJECT, "creates", Err(error.to_string()));
            return Ok(());
        }
    };
    let causal = if world.causal { "causal " } else { "" };
    report.add(SUBJECT, "creates", Ok(format!("with a {causal}{} in every role", options.family)));
    let texts = samples::all();
    let mut add = |check: &'static str, outcome: Outcome| {
        report.add(SUBJECT, check, outcome.unwrap_or_else(|error| Err(error.to_string())));
    };
    add("measures", measures(&world, &texts));
    add("figures", figures(&world, &texts));
    add("collate", collate_is_pure(&world, &texts));
    add(
        "same-seed",
        same(&world, &texts, false, "a second measurement gives the same items", |world| world.items(&texts, false)),
    );
    add(
        "company",
        same(&world, &texts, true, "samples measure the same alone and together", |world| world.alone(&texts)),
    );
    add(
        "packing",
        same(&world, &texts, true, "packed into one sequence they measure the same", |world| world.items(&texts, true)),
    );
    Ok(())
}

/// An evaluator with its models in f64.
struct World {
    evaluator: Arc<EvaluatorInstance>,
    /// Whether the models are causal because the evaluator refused others.
    causal: bool,
}

impl World {
    fn new(catalogue: &Catalogue, found: &Found, chosen: &Options) -> Result<Self> {
        let family = catalogue.find(&chosen.family)?;
        let open = !chosen.overrides.iter().any(|text| text.starts_with("model.causal="));
        match Self::with(catalogue, found, &family, chosen) {
            // An evaluator of what follows refuses models that see it.
            Err(error)
                if open && schema(&family, name::MODEL).field("causal").is_some() && !error.frames.is_empty() =>
            {
                let mut causal = chosen.clone();
                causal.overrides.push("model.causal=true".into());
                Self::with(catalogue, found, &family, &causal)
                    .map(|world| Self { causal: true, ..world })
                    .map_err(|_| error)
            }
            made => made,
        }
    }

    fn with(catalogue: &Catalogue, found: &Found, family: &Found, chosen: &Options) -> Result<Self> {
        let settings = world::settings(catalogue, Some((found, name::EVALUATOR)), family, chosen)?;
        let context = world::context(Plugin::open(&family.path, &family.manifest)?, &settings);
        let plugin = Plugin::open(&found.path, &found.manifest)?;
        let evaluator = EvaluatorInstance::create(&plugin, "objective", &context, &settings.objective)?;
        Ok(Self { evaluator, causal: false })
    }

    fn call(&self) -> Arc<Call> {
        Call::new(world::options(SEED, false, false))
    }

    /// The items of these samples in one batch.
    fn items(&self, texts: &[Text], packed: bool) -> Result<Items> {
        let mut items = ItemsSoFar::default();
        self.measure_into(&mut items, texts, 0, packed)?;
        items.finish()
    }

    /// The items of these samples, each in a batch of its own.
    fn alone(&self, texts: &[Text]) -> Result<Items> {
        let mut items = ItemsSoFar::default();
        for (number, text) in texts.iter().enumerate() {
            self.measure_into(&mut items, std::slice::from_ref(text), number, false)?;
        }
        items.finish()
    }

    fn measure_into(&self, items: &mut ItemsSoFar, texts: &[Text], first: usize, packed: bool) -> Result<()> {
        let batch = batch_of(&*self.evaluator, texts, SEED, packed)?;
        let result = self.evaluator.measure(&self.call(), &batch)?;
        let (numbers, ids): (Vec<usize>, Vec<u64>) = (first..).zip(texts.iter().map(Text::id)).unzip();
        items.add(&numbers, &ids, &result.items)
    }
}

fn measures(world: &World, texts: &[Text]) -> Outcome {
    let items = world.items(texts, false)?;
    let odd = items.columns.iter().find(|column| column.values.iter().any(|value| !value.is_finite()));
    let names: Vec<&str> = items.columns.iter().map(|column| column.name.as_str()).collect();
    Ok(match odd {
        Some(column) => Err(format!("the item `{}` holds a number that is not finite", column.name)),
        None if names.is_empty() => Ok("no items, only sums and counts".into()),
        None => Ok(format!("{} of {} samples", names.join(", "), items.ids.len())),
    })
}

fn figures(world: &World, texts: &[Text]) -> Outcome {
    let items = world.items(texts, false)?;
    let training = world.evaluator.uses_training().then_some(&items);
    let figures = world.evaluator.figures(&world.call(), training, &items)?;
    let again = world.evaluator.figures(&world.call(), training, &items)?;
    let bits = |figures: &[(String, f64)]| {
        figures.iter().map(|(name, value)| (name.clone(), value.to_bits())).collect::<Vec<_>>()
    };
    Ok(if bits(&figures) != bits(&again) {
        Err("the same items give other figures the second time".into())
    } else if figures.is_empty() {
        Err("there are none".into())
    } else {
        match figures.iter().find(|(_, value)| !value.is_finite()) {
            Some((name, value)) => Err(format!("`{name}` is {value}")),
            None => Ok(figures.iter().map(|(name, value)| format!("{name} {value:.4}")).collect::<Vec<_>>().join(", ")),
        }
    })
}

fn collate_is_pure(world: &World, texts: &[Text]) -> Outcome {
    let columns = || -> Result<Vec<(String, AddedColumn)>> {
        Ok(collation_of(&*world.evaluator, texts, SEED)?.into_added().into_iter().collect())
    };
    let first = columns()?;
    Ok(if first == columns()? {
        Ok(format!("{} columns, the same twice", first.len()))
    } else {
        Err("the same samples collate to other columns the second time".into())
    })
}

/// Another way to measure gives the same items, `nearly` but for rounding.
fn same(
    world: &World,
    texts: &[Text],
    nearly: bool,
    what: &str,
    other: impl FnOnce(&World) -> Result<Items>,
) -> Outcome {
    let (one, other) = (world.items(texts, false)?, other(world)?);
    if one.columns.len() != other.columns.len() {
        return Ok(Err(format!("{} items became {}", one.columns.len(), other.columns.len())));
    }
    let close = |a: &f64, b: &f64| {
        if nearly { (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1.0) } else { a.to_bits() == b.to_bits() }
    };
    for (own, others) in one.columns.iter().zip(&other.columns) {
        for sample in 0..one.ids.len() {
            let agrees = match (own.value(sample), others.value(sample)) {
                (ItemValue::Number(a), ItemValue::Number(b)) => close(&a, &b),
                (ItemValue::List(a), ItemValue::List(b)) => {
                    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| close(a, b))
                }
                _ => false,
            };
            if !agrees {
                let (a, b) = (own.value(sample), others.value(sample));
                return Ok(Err(format!("`{}` of sample {sample} was {a:?} and became {b:?}", own.name)));
            }
        }
    }
    Ok(Ok(what.into()))
}

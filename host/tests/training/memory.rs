//! A run of steps leaves nothing behind in the plugins' tallies.

use std::collections::BTreeMap;
use std::sync::Arc;

use lacuna::boundary::{Context, KINDS, Live, ObjectiveInstance, Provider, RoleEntry, RoleTable};
use lacuna::loader::Plugin;
use lacuna_abi::{QueryFn, name};
use serde_json::json;

use super::support::*;

/// A plugin with a tally of its own, so that other tests of this program do not count.
struct Counted {
    plugin: &'static Plugin,
    live: Arc<Live>,
}

impl Provider for Counted {
    fn name(&self) -> &str {
        &self.plugin.manifest.name
    }
    fn version(&self) -> &str {
        &self.plugin.manifest.version
    }
    fn query(&self) -> QueryFn {
        (&self.plugin).query()
    }
    fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

fn counted(plugin: &str) -> Arc<Counted> {
    Arc::new(Counted { plugin: beside_the_test().load(plugin).expect("a plugin"), live: Arc::default() })
}

#[test]
fn living_objects_do_not_grow_over_steps() {
    for (objective, role) in [("mlm", "encoder"), ("clm", "decoder")] {
        let dropout = format!("model.{role}.dropout=0.1");
        let mut session = session(objective, &[&dropout, "run.accumulation=2"]);
        let (family, learnt) = (counted("transformer"), counted(objective));
        let schema = |plugin: &Counted, interface: &str| {
            let provided = plugin.plugin.manifest.provided(interface, &plugin.plugin.path).expect("an interface");
            provided.settings.clone().unwrap_or_default()
        };
        let model = session.experiment.model(role).expect("a role").settings(&schema(&family, name::MODEL));
        let settings = session.experiment.objective.settings(&schema(&learnt, name::OBJECTIVE)).expect("settings");
        let entry =
            RoleEntry { family: family.clone(), settings: json!(model.expect("settings")).to_string(), frozen: false };
        let vocabulary = session.text().expect("text").vocabulary();
        let vocabulary = json!({ "size": vocabulary.size, "pad": vocabulary.pad, "begin": vocabulary.begin, "end": vocabulary.end,
            "mask": vocabulary.mask, "unknown": vocabulary.unknown, "special": vocabulary.special });
        let context = Arc::new(Context {
            weights: Arc::new(compute::weights::Weights::new(1, &compute::Device::Cpu)),
            seed: 1,
            device: compute::Device::Cpu,
            facts: BTreeMap::from([("text".to_owned(), vocabulary.to_string())]),
            roles: Arc::new(RoleTable::new(BTreeMap::from([(role.to_owned(), entry)]))),
            log: None,
        });
        let made = ObjectiveInstance::create(&*learnt, "objective", &context, &json!(settings).to_string());
        session.stepper.objective = made.unwrap_or_else(|error| panic!("{error}"));
        session.stepper.weights = context.weights.clone();
        let tallies = || [family.live.counts(), learnt.live.counts()];

        run(&mut session, 2);
        let before = tallies();
        assert!(before.iter().all(|counts| counts.iter().sum::<i64>() > 0), "weights and models are counted");
        assert_eq!(before[0][KINDS.iter().position(|kind| *kind == "tensor").expect("a kind")], 0, "no tensor is kept");
        run(&mut session, 30);
        assert_eq!(tallies(), before, "{objective}");
    }
}

//! The resolved file: every value with its source, itself an experiment file.

use crate::check::Checked;
use crate::experiment::Experiment;
use crate::sections::plugin::{Line, lines};
use crate::sections::{checkpoint, evaluate, evaluator, objective, optimizer, run, schedule};
use crate::write;

impl Experiment {
    /// Every value with its source in a remark, as TOML that loads again to the same experiment: `mask_rate = 0.3 # tiny.toml,
    /// line 7`. Paths are absolute, so it loads from anywhere. A plugin's defaults are in it once its settings are checked.
    pub fn resolved(&self) -> String {
        let mut out = String::from("# Every value of this run and where it comes from.\n");
        let records = &self.records;
        let plain = |out: &mut String, header: &str, checked: &Checked| section(out, header, lines(checked));
        plain(&mut out, run::HEADER, &records.run);
        plain(&mut out, self.data.header(), &records.data);
        for (model, checked) in self.models.iter().zip(&records.models) {
            let header = format!("[model.{}]", write::key(&model.role));
            section(&mut out, &header, lines(checked).into_iter().chain(model.plugin.lines()));
        }
        section(
            &mut out,
            if self.objective.evaluator { evaluator::HEADER } else { objective::HEADER },
            lines(&records.objective).into_iter().chain(self.objective.plugin.lines()),
        );
        if self.objective.evaluator {
            return out;
        }
        plain(&mut out, optimizer::HEADER, &records.optimizer);
        records.groups.iter().for_each(|group| plain(&mut out, optimizer::GROUP_HEADER, group));
        plain(&mut out, schedule::HEADER, &records.schedule);
        records.evaluate.iter().for_each(|one| plain(&mut out, evaluate::HEADER, one));
        plain(&mut out, checkpoint::HEADER, &records.checkpoint);
        out
    }
}

fn section(out: &mut String, header: &str, lines: impl IntoIterator<Item = Line>) {
    out.push_str(&format!("\n{header}\n"));
    for (name, value, source) in lines {
        let name = write::key(&name);
        match value {
            Some(value) => out.push_str(&format!("{name} = {value} # {source}\n")),
            None => out.push_str(&format!("# {name} is not set\n")),
        }
    }
}

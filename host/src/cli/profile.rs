//! The table of `lacuna run --profile`: where the time of a step goes.

use std::time::Duration;

use serde_json::json;

use crate::train::Profile;

/// Rows of the table; the rest is one row.
const ROWS: usize = 24;

pub(super) fn print(profile: &Profile) {
    if profile.steps == 0 {
        println!("profile  the run was too short: the first two steps are not measured");
        return;
    }
    println!("profile  {} steps of {:.2} ms", profile.steps, per_step(profile, profile.total));
    println!("{:<28} {:<9} {:>7} {:>10} {:>7}", "operation", "phase", "calls", "ms a step", "share");
    let row = |name: &str, phase: &str, calls: f64, spent: Duration| {
        let share = 100.0 * spent.as_secs_f64() / profile.total.as_secs_f64();
        println!("{name:<28} {phase:<9} {calls:>7.1} {:>10.3} {share:>6.1}%", per_step(profile, spent));
    };
    let calls = |calls: u64| calls as f64 / profile.steps as f64;
    for entry in profile.entries.iter().take(ROWS) {
        row(entry.name, entry.phase.name(), calls(entry.calls), entry.spent);
    }
    if let Some(rest @ [_, ..]) = profile.entries.get(ROWS..) {
        row("other operations", "", calls(rest.iter().map(|e| e.calls).sum()), rest.iter().map(|e| e.spent).sum());
    }
    row("outside of operations", "", 0.0, outside(profile));
}

pub(super) fn to_json(profile: &Profile) -> serde_json::Value {
    let entries = profile.entries.iter().map(|entry| {
        json!({
            "operation": entry.name,
            "phase": entry.phase.name(),
            "calls": entry.calls,
            "milliseconds_a_step": per_step(profile, entry.spent),
        })
    });
    json!({
        "steps": profile.steps,
        "step_milliseconds": per_step(profile, profile.total),
        "operations": entries.collect::<Vec<_>>(),
        "outside_milliseconds": per_step(profile, outside(profile)),
    })
}

fn outside(profile: &Profile) -> Duration {
    profile.total.saturating_sub(profile.entries.iter().map(|entry| entry.spent).sum())
}

fn per_step(profile: &Profile, time: Duration) -> f64 {
    time.as_secs_f64() * 1e3 / profile.steps.max(1) as f64
}

//! Studies as a user runs them: sharing, resuming, verdicts, mistakes.

use std::path::Path;
use std::time::{Duration, Instant};

use lacuna_tests::{Sandbox, repository};
use serde_json::Value as Json;

/// Two arms of two stages; the first stage is the same for both.
const STUDY: &str = r#"
[study]
name = "small"
claim = "More of the same is better (nobody, section 1)."
metric = "valid.loss"
expect = "long > short"
seeds = [0, 1]
[[arm]]
name = "short"
[[arm.stage]]
file = "tiny.toml"
[[arm.stage]]
file = "tiny.toml"
set = ["model.encoder.weights={previous}", "run.steps=4", "optimizer.learning_rate=1e-6"]
[[arm]]
name = "long"
[[arm.stage]]
file = "tiny.toml"
[[arm.stage]]
file = "tiny.toml"
set = ["model.encoder.weights={previous}", "run.steps=60"]
"#;

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run_folders(sandbox: &Sandbox, out: &str) -> usize {
    std::fs::read_dir(sandbox.file(out).join("runs")).map_or(0, |runs| runs.flatten().count())
}

/// Waits until `done` holds of the study's folder.
fn wait_for(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(300), "{what} does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `summary.json` without what depends on the clock and on the folder.
fn summary(sandbox: &Sandbox, out: &str) -> Json {
    let mut summary: Json = serde_json::from_str(&read(&sandbox.file(out).join("summary.json"))).expect("JSON");
    for arm in summary["arms"].as_array_mut().expect("arms") {
        for cell in arm["cells"].as_array_mut().expect("cells") {
            cell["seconds"].take();
            cell["run"].take();
        }
    }
    summary["folder"].take();
    summary
}

#[test]
fn killed_and_stopped_and_resumed_the_table_is_the_same() {
    let sandbox = Sandbox::new("mlm");
    sandbox.write("small.study.toml", STUDY);
    let whole = sandbox.run(&["sweep", "small.study.toml", "--out", "whole"]).ended(0);
    assert!(whole.out.contains("verdict   reproduced"), "{}", whole.out);
    // Six runs, not eight: the arms share their first stages.
    assert_eq!(run_folders(&sandbox, "whole"), 6);
    assert!(whole.err.contains("[6/6] long, seed 1, stage 2 of 2: done"), "{}", whole.err);

    let arguments = ["sweep", "small.study.toml", "--out", "broken"];
    // Killed in the first run, killed between two runs, stopped by a signal in a later one.
    for (kill, runs) in [(true, 1), (true, 2), (false, 4)] {
        let mut child = sandbox.start(&arguments);
        wait_for("a run", || run_folders(&sandbox, "broken") >= runs);
        if kill {
            child.kill().expect("the child can be killed");
            let _ = child.wait();
        } else {
            let sent = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            assert!(sent.expect("`kill` is there").success());
            assert_eq!(child.wait().expect("the child ends").code(), Some(75));
        }
    }
    let resumed = sandbox.run(&arguments).ended(0);
    assert!(resumed.err.contains("of them done"), "{}", resumed.err);
    assert_eq!(read(&sandbox.file("whole/scores.jsonl")), read(&sandbox.file("broken/scores.jsonl")));
    assert_eq!(summary(&sandbox, "whole"), summary(&sandbox, "broken"));
    assert_eq!(run_folders(&sandbox, "broken"), 6);

    // Again: nothing is trained.
    let again = sandbox.run(&["--json", "sweep", "small.study.toml", "--out", "broken"]).ended(0);
    assert_eq!(again.json()["verdict"], "reproduced");
    assert!(!again.err.contains("done in"), "{}", again.err);
    assert!(read(&sandbox.file("broken/report.html")).contains("Held against the claim"));
}

#[test]
fn a_changed_file_is_noticed_and_trained_anew() {
    let sandbox = Sandbox::new("mlm");
    sandbox.write("small.study.toml", STUDY);
    let other = read(&sandbox.file("tiny.toml"));
    sandbox.write("other.toml", &other);
    sandbox.write("small.study.toml", STUDY.replacen("[0, 1]", "[0]", 1).replace("run.steps=60", "run.steps=5"));
    let _ = sandbox.run(&["sweep", "small.study.toml"]).ended(0);
    assert_eq!(run_folders(&sandbox, "runs/small.study"), 3);
    sandbox.write("tiny.toml", other.replace("learning_rate = 0.003", "learning_rate = 0.004"));
    let ran = sandbox.run(&["sweep", "small.study.toml"]).ended(0);
    assert!(ran.err.contains("changed since the last time") && ran.err.contains("tiny.toml"), "{}", ran.err);
    assert_eq!(run_folders(&sandbox, "runs/small.study"), 6);
    // Another study does not get in, and a folder of something else stays as it is.
    sandbox.write("other.study.toml", STUDY.replace("\"small\"", "\"other\""));
    let ran = sandbox.run(&["sweep", "other.study.toml", "--out", "runs/small.study"]).ended(2);
    assert!(ran.error().contains("holds the study `small`"), "{}", ran.err);
    sandbox.write("thesis/thesis.tex", "");
    let ran = sandbox.run(&["sweep", "small.study.toml", "--out", "thesis"]).ended(2);
    assert!(ran.error().contains("thesis.tex"), "{}", ran.err);
}

#[test]
fn a_grid_over_tasks_chooses_and_starts_from_nothing_where_an_arm_has_no_stage() {
    let sandbox = Sandbox::new("mlm");
    sandbox.write(
        "grid.study.toml",
        "[study]\nseeds = [0, 1]\ngrid = [\"optimizer.learning_rate=[1e-9, 0.01]\"]\nselect = \"valid.loss\"\n\
         expect = \"trained > random on 1 tasks\"\n\
         [[arm]]\nname = \"random\"\n[[arm]]\nname = \"trained\"\n[[arm.stage]]\nfile = \"tiny.toml\"\nset = [\"run.steps=40\"]\n\
         [[task]]\nname = \"loss\"\n[[task.stage]]\nfile = \"tiny.toml\"\nset = [\"model.encoder.weights={previous}\", \"run.steps=8\"]\n\
         [[task]]\nname = \"hits\"\nmetric = \"valid.accuracy\"\n[[task.stage]]\nfile = \"tiny.toml\"\nset = [\"model.encoder.weights={previous}\", \"run.steps=6\"]\n",
    );
    let ran = sandbox.run(&["--json", "sweep", "grid.study.toml", "--seeds", "2"]).ended(0).json();
    let arms = ran["arms"].as_array().expect("arms");
    let names: Vec<&str> = arms.iter().filter_map(|arm| arm["name"].as_str()).collect();
    assert_eq!(names, ["random on loss", "random on hits", "trained on loss", "trained on hits"]);
    // From nothing, a learning rate of 1e-9 learns nothing.
    assert_eq!(arms[0]["chosen"], serde_json::json!(["optimizer.learning_rate=0.01"]), "{ran}");
    assert_eq!(ran["clauses"][0]["holds"], true, "{ran}");
    let table = sandbox.run(&["sweep", "grid.study.toml"]).ended(0);
    assert!(
        table.out.contains("task") && table.out.contains("chosen") && table.out.contains("it holds on"),
        "{}",
        table.out
    );
}

#[test]
fn a_failing_stage_is_named_and_what_is_done_stays() {
    let sandbox = Sandbox::new("mlm");
    let study = STUDY.replace("[0, 1]", "[0]").replace("run.steps=60", "objective.mask_rat=1");
    sandbox.write("small.study.toml", &study);
    let ran = sandbox.run(&["sweep", "small.study.toml"]).ended(2);
    let error = ran.error();
    assert!(error.contains("mask_rat") && ran.err.contains("long, seed 0, stage 2 of 2"), "{}", ran.err);
    sandbox.write("small.study.toml", study.replace("objective.mask_rat=1", "run.steps=5"));
    let ran = sandbox.run(&["sweep", "small.study.toml"]).ended(0);
    assert!(ran.err.contains("2 of them done"), "{}", ran.err);
    let ran = sandbox.run(&["sweep", "small.study.toml", "study.metric=valid.los", "study.better=lower"]).ended(2);
    assert!(ran.error().contains("did you mean `valid.loss`"), "{}", ran.err);
    let ran = sandbox.run(&["sweep", "small.study.toml", "study.metric=valid.thing"]).ended(2);
    assert!(ran.error().contains("better = "), "{}", ran.err);
}

#[test]
fn shipped_studies_are_found_by_name_and_judged() {
    let sandbox = Sandbox::new("mlm");
    sandbox.write(
        "plugins/mlm/experiments/tiny.toml",
        read(&sandbox.file("tiny.toml")).replace("text.txt", "data/text.txt"),
    );
    sandbox.write("data/text.txt", read(&sandbox.file("text.txt")));
    sandbox.write("plugins/mlm/experiments/small.study.toml", STUDY.replace("long > short", "short > long"));
    let ran = sandbox.run(&["reproduce", "smal"]).ended(2);
    assert!(ran.error().contains("did you mean `small`"), "{}", ran.err);
    let ran = sandbox.run(&["reproduce", "--list"]).ended(0);
    assert!(ran.out.contains("small") && ran.out.contains("More of the same"), "{}", ran.out);
    sandbox.write("deep/inside/here.txt", "");
    let mut command = sandbox.command(&["--json", "reproduce", "small", "--out", "out"]);
    // Data is found from the repository's root, the result lies where the user is.
    let ran = lacuna_tests::Ran::of(command.current_dir(sandbox.file("deep/inside"))).ended(0);
    let result = ran.json();
    let keys: Vec<&str> = result.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["name", "claim", "metric", "arms", "interval", "verdict"]);
    assert_eq!((&result["verdict"], &result["metric"]), (&"not reproduced".into(), &"valid.loss".into()));
    let arm = &result["arms"][1];
    assert_eq!((&arm["name"], &arm["seeds"]), (&"long".into(), &2.into()));
    assert!(arm["mean"].is_f64() && arm["sd"].is_f64() && result["interval"][0].is_f64(), "{result}");
    assert!(sandbox.file("deep/inside/out/report.html").is_file());
}

/// Every study of the repository can be read, has a name of its own, and its experiments exist.
#[test]
fn the_repositorys_studies_are_whole() {
    let sandbox = Sandbox::new("mlm");
    let mut command = sandbox.command(&["--json", "reproduce", "--list"]);
    let listed = lacuna_tests::Ran::of(command.current_dir(repository())).ended(0).json();
    let names: Vec<&str> =
        listed["studies"].as_array().expect("studies").iter().filter_map(|study| study["name"].as_str()).collect();
    let mut files = Vec::new();
    for plugin in std::fs::read_dir(repository().join("plugins")).expect("plugins").flatten() {
        for file in std::fs::read_dir(plugin.path().join("experiments")).into_iter().flatten().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            files.extend(name.strip_suffix(".study.toml").map(str::to_owned));
        }
    }
    files.sort();
    assert_eq!(names, files, "two studies of one name, or one that is not found");
    for study in listed["studies"].as_array().expect("studies") {
        let minutes = study["minutes"].as_f64();
        assert!(minutes.is_some_and(|minutes| minutes <= 10.0), "{study}");
        assert!(
            study["claim"].as_str().is_some_and(|claim| claim.len() > 20) && study["expect"].is_string(),
            "{study}"
        );
    }
}

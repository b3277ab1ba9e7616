//! Comparisons: figures, pairing, remarks, and the four forms.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn run(name: &str, steps: impl Iterator<Item = u64>, offset: f64) -> RunData {
    let rows = steps.flat_map(|step| {
        let loss = 5.0 - step as f64 / 100.0 + offset;
        [
            Row::new(step, "train").with("loss", loss).with("learning_rate", 0.1),
            Row::new(step, "valid").with("loss", loss).with("accuracy", 0.5 - offset / 10.0),
        ]
    });
    let settings = settings::flatten(&format!("[run]\nseed = 1\nname = \"{name}\""), Path::new("")).unwrap();
    RunData { name: name.into(), path: name.into(), metrics: rows.collect(), settings, ..RunData::default() }
}

fn find<'a>(comparison: &'a Comparison, metric: &str, split: &str) -> &'a MetricComparison {
    comparison.metrics.iter().find(|compared| compared.metric == metric && compared.split == split).unwrap()
}

#[test]
fn figures_and_differences_are_those_of_the_curves() {
    let comparison = Comparison::of(vec![run("a", 1..=50, 0.0), run("b", 1..=50, -0.25)]).unwrap();
    let loss = find(&comparison, "loss", "valid");
    let figures = loss.runs[1].unwrap();
    assert_eq!((figures.points, figures.last_step, figures.best_step), (50, 50, Some(50)));
    assert!((figures.last - 4.25).abs() < 1e-12);
    let found = loss.differences[0].unwrap();
    assert!((found.mean + 0.25).abs() < 1e-12 && found.points == 50);
    let (low, high) = found.interval.unwrap();
    assert!((low + 0.25).abs() < 1e-9 && (high + 0.25).abs() < 1e-9);
    assert!(find(&comparison, "loss", "train").differences[0].unwrap().interval.is_none());
    assert_eq!(find(&comparison, "learning_rate", "train").better, None);
    assert!(comparison.remarks.is_empty());
    assert_eq!(comparison.settings.len(), 1);
    assert_eq!(comparison.settings[0].key, "run.name");
    let text = comparison.to_terminal();
    assert!(text.contains("better") && text.contains("−0.2500") && text.contains("run.name"), "{text}");
}

#[test]
fn different_steps_are_compared_where_they_meet_and_the_rest_is_said() {
    let comparison =
        Comparison::of(vec![run("a", 1..=50, 0.0), run("b", (2..=60).step_by(2), 1.0), run("c", 100..=110, 0.0)])
            .unwrap();
    let loss = find(&comparison, "loss", "valid");
    let found = loss.differences[0].unwrap();
    assert_eq!((found.points, found.only_first, found.only_this), (25, 25, 5));
    assert!((found.mean - 1.0).abs() < 1e-12);
    assert_eq!(loss.differences[1], None);
    let remarks = comparison.remarks.join("\n");
    assert!(
        remarks.contains("b against a: compared at 25 matching steps; 25 steps only in a, 5 only in b"),
        "{remarks}"
    );
    assert!(remarks.contains("c against a: no step at which both"), "{remarks}");
}

#[test]
fn runs_without_a_common_metric_are_shown_and_said_to_be_so() {
    let one =
        RunData { name: "a".into(), metrics: vec![Row::new(1, "x").with("loss", f64::NAN)], ..RunData::default() };
    let two = RunData { name: "b".into(), metrics: vec![Row::new(1, "y").with("f1", 1.0)], ..RunData::default() };
    let comparison = Comparison::of(vec![one, two, RunData { name: "c".into(), ..RunData::default() }]).unwrap();
    assert!(comparison.remarks.contains(&"the runs have no metric in common".to_owned()));
    assert!(comparison.remarks.contains(&"loss on x: not measured in b, c".to_owned()), "{:?}", comparison.remarks);
    for text in [comparison.to_terminal(), comparison.to_markdown(), comparison.to_html()] {
        assert!(text.contains("no metric in common") && text.contains("NaN"));
    }
    let json = comparison.to_json();
    assert_eq!(json["metrics"][0]["runs"][0]["last"], "NaN");
    assert_eq!(json["metrics"][1]["differences"], serde_json::json!([null, null]));
}

#[test]
fn runs_of_one_name_are_told_apart() {
    let at = |path: &str| RunData { path: path.into(), ..run("same", 1..=2, 0.0) };
    let comparison = Comparison::of(vec![at("x/same"), at("y/same"), at("x/same"), run("other", 1..=2, 0.0)]).unwrap();
    assert_eq!(comparison.names(), ["x/same", "y/same", "x/same (2)", "other"]);
    assert_eq!(Comparison::of(vec![at("x")]).unwrap_err().code(), "run/compare");
}

#[test]
fn names_are_escaped_in_the_page() {
    let evil = "<script>x</script>";
    let html = Comparison::of(vec![run("a", 1..=60, 0.0), RunData { name: evil.into(), ..run("b", 1..=60, 0.0) }])
        .unwrap()
        .to_html();
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
    assert_eq!(html.matches("<figure").count(), 4);
}

#[test]
fn folders_are_read_and_what_is_no_run_is_named() {
    let root = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = ["one", "two"].map(|name| root.path().join(name)).to_vec();
    for (path, seed) in paths.iter().zip([1, 2]) {
        let folder = RunFolder::create(path).unwrap();
        folder.write_experiment(&format!("[run]\nseed = {seed} # from the file\n")).unwrap();
        let mut writer = crate::MetricsWriter::create(&folder.metrics_path()).unwrap();
        writer.append(&Row::new(1, "valid").with("loss", 2.0)).unwrap();
    }
    std::fs::write(paths[1].join("metrics.jsonl"), "{\"step\":1,\"split\":\"valid\",\"loss\":3}\n{\"st").unwrap();
    let comparison = Comparison::read(&paths).unwrap();
    assert_eq!(comparison.settings[0].values, [Some("1".to_owned()), Some("2".to_owned())]);
    assert!(comparison.remarks[0].contains("two: line 2 of metrics.jsonl was cut off"), "{:?}", comparison.remarks);
    let error = Comparison::read(&[paths[0].clone(), root.path().join("three")]).unwrap_err();
    assert!(error.to_string().contains("three"), "{error}");
}

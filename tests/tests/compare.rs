//! Runs of several seeds side by side, as a user puts them there.

use lacuna_tests::Sandbox;

/// Two settings, three seeds each, in folders `a1` … `b3`.
fn runs(sandbox: &Sandbox) -> Vec<String> {
    let mut folders = Vec::new();
    for (name, rate) in [("a", "1e-6"), ("b", "0.01")] {
        for seed in 1..=3 {
            let out = format!("{name}{seed}");
            let (rate, seed) = (format!("optimizer.learning_rate={rate}"), format!("run.seed={seed}"));
            let _ = sandbox.run(&["run", "tiny.toml", "--out", &out, "run.steps=40", &rate, &seed]).ended(0);
            folders.push(out);
        }
    }
    folders
}

#[test]
fn seeds_are_grouped_tested_and_written_in_every_form() {
    let sandbox = Sandbox::new("mlm");
    let folders = runs(&sandbox);
    let with = |more: &[&str]| {
        let mut arguments = vec!["compare"];
        arguments.extend(folders.iter().map(String::as_str));
        arguments.extend(more);
        sandbox.run(&arguments).ended(0)
    };
    let table = with(&["--html", "all.html"]);
    assert!(
        table.out.contains("valid.loss ↓") && table.out.contains("b better") && table.out.contains("learning_rate"),
        "{}",
        table.out
    );
    let html = std::fs::read_to_string(sandbox.file("all.html")).expect("the report is there");
    assert!(html.contains("class=\"band b1\"") && html.contains("Every pair"), "curves with intervals");
    let json = with(&["--json"]).json();
    assert_eq!(json["groups"].as_array().map(Vec::len), Some(2), "{json}");
    let pair = &json["standing"]["tasks"][0]["pairs"][0];
    assert_eq!(
        (&pair["seeds"], &pair["conclusive"], &pair["test"]),
        (&3.into(), &true.into(), &"t over seeds".into()),
        "{pair}"
    );
    assert!(
        pair["p"].as_f64().is_some_and(|p| p < 0.05) && pair["cohen_d"].as_f64().is_some_and(|d| d > 1.0),
        "{pair}"
    );
    assert_eq!(json["standing"]["tasks"][0]["cells"][1]["among_best"], true);
    assert!(with(&["--markdown"]).out.contains("| **"));
    assert!(with(&["--latex"]).out.contains("\\begin{tabular}"));
    let csv = with(&["--csv"]).out;
    assert!(csv.starts_with("system,task,mean,sd,runs,tokens,seconds,among_best\na,valid.loss,"), "{csv}");
    // By name, and each run for itself.
    let named = sandbox
        .run(&["--json", "compare", "--group", "slow=a1,a2", "--group", "fast=b1,b2", "--test", "permutation"])
        .ended(0)
        .json();
    assert_eq!(
        (&named["groups"][1]["name"], &named["standing"]["tasks"][0]["pairs"][0]["p"]),
        (&"fast".into(), &0.5.into())
    );
    let single = with(&["--ungrouped", "--json"]).json();
    assert_eq!(single["runs"].as_array().map(Vec::len), Some(6));
    for (arguments, part) in [
        (&["compare"][..], "required"),
        (&["compare", "--group", "x"], "no `=`"),
        (&["compare", "--group", "x=a1"], "two runs or more"),
        (&["compare", "a1", "nowhere"], "nowhere"),
    ] {
        let ran = sandbox.run(arguments).ended(2);
        assert!(ran.err.contains(part), "{}", ran.err);
    }
}

#[test]
fn items_decide_where_there_is_one_run() {
    let sandbox = Sandbox::new("mlm");
    for (name, broken) in [("good", 0), ("bad", 100)] {
        let _ = sandbox.run(&["run", "tiny.toml", "--out", name, "run.steps=2"]).ended(0);
        let line = |item: usize| {
            let prediction = if item < broken { 1 - item % 2 } else { item % 2 };
            format!("{{\"sample\":{item},\"prediction\":{prediction},\"label\":{}}}\n", item % 2)
        };
        sandbox.write(&format!("{name}/items.jsonl"), (0..1000).map(line).collect::<String>());
    }
    let accuracy = |json: &serde_json::Value| {
        let tasks = json["standing"]["tasks"].as_array().expect("tasks").clone();
        tasks.into_iter().find(|task| task["name"] == "valid.accuracy").expect("the accuracy")["pairs"][0].clone()
    };
    let differ = accuracy(&sandbox.run(&["--json", "compare", "good", "bad", "--ungrouped"]).ended(0).json());
    assert!(differ["conclusive"] == true && differ["corrected_p"].as_f64().is_some_and(|p| p < 0.01), "{differ}");
    assert_eq!(differ["items"]["items"], 1000);
    assert!(differ["items"]["mean"].as_f64().is_some_and(|mean| (mean - 0.1).abs() < 1e-9), "{differ}");
    let same = accuracy(&sandbox.run(&["--json", "compare", "good", "good", "--ungrouped"]).ended(0).json());
    assert_eq!((&same["p"], &same["items"]["mean"], &same["conclusive"]), (&1.0.into(), &0.0.into(), &false.into()));
}

//! Results of single samples: in the order of the samples however they are put into batches, and figures over all of them.

use super::support::*;

#[test]
fn items_and_figures_do_not_depend_on_the_batches() {
    let measured =
        |changes: &[&str]| session("misbehaving", changes).held_out(None).expect("a measure").expect("held-out data");
    let plain = measured(&[]);
    let items = plain.items.as_ref().expect("items");
    assert!(items.ids.is_sorted() && items.ids.len() > 8, "{:?}", items.ids);
    assert_eq!(items.columns[0].name, "losses");
    let figure = |measured: &lacuna::train::HeldOut, name: &str| {
        measured.metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value).expect("a figure")
    };
    assert!(close(figure(&plain, "mean_loss"), plain.loss, 1e-6), "{plain:?}");
    assert_eq!(figure(&plain, "samples"), items.ids.len() as f64);
    for changes in [&["run.batch_rows=3"][..], &["data.text.packing=true", "run.data_threads=3"]] {
        let other = measured(changes);
        let others = other.items.as_ref().expect("items");
        assert_eq!((&others.ids, &others.columns[0].starts), (&items.ids, &items.columns[0].starts));
        let pairs = others.columns[0].values.iter().zip(&items.columns[0].values);
        assert!(pairs.into_iter().all(|(a, b)| close(*a, *b, 1e-4)), "{others:?}");
    }
}

#[test]
fn a_run_keeps_the_items_of_its_last_measurement() {
    let folder = Folder::new();
    let finished = train(experiment("misbehaving", &["run.steps=2"]), &folder.path("run")).expect("a run");
    let items = finished.held_out.expect("a measure").items.expect("items");
    let rows = records::read_items(&folder.path("run/items.jsonl")).expect("the items");
    assert_eq!(rows.iter().map(|row| row.sample).collect::<Vec<_>>(), items.ids);
    assert!(
        matches!(rows[0].get("losses"), Some(records::ItemValue::List(list)) if list[0] == items.columns[0].values[0])
    );
    let metrics = std::fs::read_to_string(folder.path("run/metrics.jsonl")).expect("metrics");
    let last = metrics.lines().rfind(|line| line.contains("\"valid\"")).expect("a row");
    assert!(last.contains("\"mean_loss\":") && last.contains("\"samples\":"), "{last}");
}

#[test]
fn items_that_do_not_fit_fail_with_their_name() {
    for (how, text) in [
        ("too_few_items", "the item `few` has 1 results for a batch of 8"),
        ("items_sometimes", "the item `losses` is given for some batches only"),
        ("figure_twice", "two figures named `mean_loss`"),
    ] {
        let session = session("misbehaving", &[&format!("objective.how={how}")]);
        let error = session.held_out(None).expect_err("a fault");
        assert!(error.to_string().contains(text), "{how}: {error}");
    }
}

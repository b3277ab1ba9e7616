//! Study files: what is read, what is refused and how that is said.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const TWO: &str = "[study]\nclaim = 'c'\nexpect = 'EXPECT'\nseeds = [3, 4]\n\
    [[arm]]\nname = 'electra'\n[[arm.stage]]\nfile = 'a.toml'\nset = ['run.steps=3']\n\
    [[arm]]\nname = 'electra-15'\n[[arm.stage]]\nfile = 'a.toml'\n";
const TASKS: &str = "[[task]]\nname = 'sst2'\nmetric = 'test.accuracy'\n[[task.stage]]\nfile = 'a.toml'\n\
    set = ['model.encoder.weights={previous}']\n[[task]]\nname = 'trec'\n[[task.stage]]\nfile = 'a.toml'\n";

fn read(text: &str, overrides: &[&str]) -> Result<Study, Error> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.toml"), "").unwrap();
    let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
    Study::from_text(text, &folder.path().join("short.study.toml"), &overrides)
}

fn expecting(expect: &str) -> Result<Expectation, Error> {
    read(&format!("{}{TASKS}", TWO.replace("EXPECT", expect)), &[]).map(|study| study.expect.unwrap())
}

#[test]
fn a_whole_file() {
    let study =
        read(&format!("{}{TASKS}", TWO.replace("EXPECT", "electra > electra-15")), &["study.seeds=[7]"]).unwrap();
    assert_eq!((study.name.as_str(), study.seeds.as_slice(), study.arms.len()), ("short", &[7][..], 2));
    assert_eq!(study.metric.to_string(), "valid.loss");
    assert!(study.arms[0].stages[0].file.is_absolute());
    assert_eq!(study.tasks[0].metric.as_ref().unwrap().to_string(), "test.accuracy");
    assert_eq!(study.tasks[1].metric, None);
    assert_eq!(study.choices(), [Point::default()]);
}

#[test]
fn expectations_are_sums_of_arms() {
    let one = expecting("electra > electra-15").unwrap();
    assert_eq!(one.clauses[0].arms(), Some((0, 1)));
    assert_eq!(one.clauses[0].text, "electra > electra-15");
    let two = expecting("electra >= electra-15 - 0.02 and electra<1.05*electra-15 on sst2").unwrap();
    assert_eq!(two.clauses[0].right, Side { terms: vec![(1.0, 1)], constant: Some(-0.02) });
    assert_eq!(
        (two.clauses[0].relation, two.clauses[0].arms(), two.clauses[0].on),
        (Relation::AtLeast, None, On::Average)
    );
    assert_eq!(two.clauses[1].right, Side { terms: vec![(1.05, 1)], constant: None });
    assert_eq!((two.clauses[1].relation, two.clauses[1].on), (Relation::Less, On::Task(0)));
    let chain = expecting("electra > electra-15 ~ electra + 1e-3 on 2 tasks").unwrap();
    assert_eq!(chain.clauses.len(), 2);
    assert_eq!(chain.clauses[1].text, "electra-15 ~ electra + 1e-3 on 2 tasks");
    assert_eq!((chain.clauses[1].right.constant, chain.clauses[1].on), (Some(1e-3), On::Tasks(2)));
    assert_eq!(
        expecting("electra * 2 - electra-15 <= 3 on average").unwrap().clauses[0].left.terms,
        [(2.0, 0), (-1.0, 1)]
    );
}

#[test]
fn broken_expectations_say_where_and_why() {
    for (text, reason) in [
        ("electra", "a relation is missing"),
        ("electra > elektra-15", "did you mean `electra-15`"),
        ("electra > ", "it ends where"),
        ("electra > electra-15 or electra < 1", "`or` is no arm"),
        ("electra > electra-15 electra", "`and` or the end"),
        ("electra > 2 * 3", "no arm"),
        ("electra > electra-15 on 3 tasks", "the study has 2 tasks"),
        ("electra > electra-15 on electra", "is no arm, task or number"),
        ("report", "report = true"),
        ("", "it ends where"),
        ("> electra", "should come here"),
    ] {
        let error = expecting(text).unwrap_err();
        assert!(error.to_string().contains(reason), "{text}: {error}");
        assert_eq!((error.code(), error.place().unwrap().line()), ("config/study", Some(3)), "{text}");
        assert!(error.help().unwrap().contains("`electra-15`"));
    }
}

#[test]
fn any_text_is_an_expectation_or_an_error() {
    let study = read(&format!("{}{TASKS}", TWO.replace("EXPECT", "electra ~ 1")), &[]).unwrap();
    let draws = ["electra", "electra-15", ">", "<", "~", "-", "*", "and", "on", "tasks", "2", "ä", "e-", "sst2", " "];
    for seed in 0..3000usize {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let text: String = (0..6)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                draws[(state >> 33) % draws.len()].to_owned() + " "
            })
            .collect();
        let _ = expectation::parse(&text, &study.arms, &study.tasks, &Source::Default);
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let plain = TWO.replace("EXPECT", "electra > electra-15");
    for (text, code, part) in [
        (plain.replace("claim", "clam"), "config/unknown-setting", "did you mean `claim`"),
        (plain.replace("'a.toml'\nset", "'b.toml'\nset"), "config/file", "b.toml"),
        (plain.replace("'electra-15'", "'electra'"), "config/study", "twice"),
        (plain.replace("'electra-15'", "'a/b'"), "config/type", "letters"),
        (plain.replace("[3, 4]", "[]"), "config/study", "at least one"),
        (plain.replace("[3, 4]", "[3, 3]"), "config/study", "twice"),
        (plain.replace("run.steps=3", "model.x.weights={previous}"), "config/study", "no stage comes before"),
        (plain.replace("run.steps=3", "run.steps"), "config/override", "no `=`"),
        (plain.replace("[[arm]]", "[[arms]]"), "config/unknown-setting", "did you mean `arm`"),
        ("[study]\n".into(), "config/missing", "[[arm]]"),
        (format!("{plain}[[task]]\nname = 't'\n"), "config/study", "no stage"),
        (plain.replace("claim = 'c'", "metric = 'loss'"), "config/type", "valid.loss"),
    ] {
        let error = read(&text, &[]).unwrap_err();
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(error.report().contains(part), "{}", error.report());
    }
}

#[test]
fn a_grid_is_arms_of_its_own_or_a_choice() {
    let grid = "grid = ['optimizer.learning_rate=[0.001, 0.01]', 'model.encoder.norm=[\"rms\", \"layer\"]']\n";
    let text = TWO.replace("expect = 'EXPECT'\n", grid);
    let study = read(&text, &[]).unwrap();
    assert_eq!(study.arms.len(), 8);
    assert_eq!(study.arms[1].name, "electra learning_rate=0.001 norm=layer");
    assert_eq!(study.point_of(&study.arms[1]), ["optimizer.learning_rate=0.001", "model.encoder.norm=\"layer\""]);
    let study = read(&text.replace("grid", "select = 'valid.loss'\ngrid"), &[]).unwrap();
    assert_eq!((study.arms.len(), study.choices().len()), (2, 4));
    for broken in ["x=[1]", "run.steps", "run.steps=3", "run.steps=[]"] {
        let text = TWO.replace("expect = 'EXPECT'", &format!("grid = ['{broken}']"));
        assert_eq!(read(&text, &[]).unwrap_err().code(), "config/study", "{broken}");
    }
}

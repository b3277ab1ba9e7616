//! The report of a run, from its records.

use records::{Body, Medium, MediumKind, Report, RunFolder, Section, Table, read_media};

use super::evaluate::HeldOut;
use super::session::Session;
use crate::error::Result;

/// Sounds that play in a report, and the beginning of each that does.
const SOUNDS: usize = 6;
const LONGEST_SECONDS: usize = 15;

/// Writes `report.html` from the records of a run.
///
/// # Errors
/// When records can't be read or the report can't be written.
pub fn write_report(
    folder: &RunFolder,
    session: &Session,
    held_out: Option<&HeldOut>,
    sections: Vec<Section>,
) -> Result<()> {
    let (metrics, timings) = (folder.metrics()?.rows, folder.timings()?.rows);
    let provenance = folder.provenance()?;
    let experiment = folder.experiment()?;
    let tokens = metrics.iter().rev().find_map(|row| row.get("tokens"));
    let mut all = sections;
    if let Some(measured) = held_out {
        all.insert(0, Section { title: "Held-out data".into(), body: Body::Table(table(measured)) });
    }
    write_sounds(folder, session)?;
    let media = read_media(folder.path())?;
    for (title, kind) in [("Sounds", MediumKind::Sound), ("Pictures", MediumKind::Picture)] {
        let own: Vec<Medium> = media.iter().filter(|medium| medium.kind == kind).cloned().collect();
        if !own.is_empty() {
            all.insert(0, Section { title: title.into(), body: Body::Media(own) });
        }
    }
    let families: Vec<String> =
        session.models.iter().map(|(role, model)| format!("{role}: {}", model.family())).collect();
    let html = Report {
        title: folder.name(),
        subtitle: format!(
            "objective {} · {} · seed {}",
            session.stepper.objective.name(),
            families.join(", "),
            session.experiment.run.seed
        ),
        metrics: &metrics,
        timings: &timings,
        parameters: Some(session.stepper.weights.parameters() as u64),
        tokens: tokens.map(|tokens| tokens as u64),
        seconds: timings.last().and_then(|row| row.get("seconds")),
        cards: Vec::new(),
        sections: all,
        experiment: &experiment,
        provenance: Some(&provenance),
    }
    .to_html();
    Ok(folder.write_report(&html)?)
}

/// The first held-out sounds, so that one hears what was learnt from.
fn write_sounds(folder: &RunFolder, session: &Session) -> Result<()> {
    let Some(held_out) = &session.data.valid else { return Ok(()) };
    for sample in 0..held_out.len().min(SOUNDS) {
        let Some((rate, wave)) = held_out.sound(sample)? else { return Ok(()) };
        let short = &wave[..wave.len().min(LONGEST_SECONDS * rate as usize)];
        let (split, name) = ("valid".to_owned(), format!("sound {}", sample + 1));
        let medium = Medium { kind: MediumKind::Sound, split, name, bytes: modality_audio::wav(short, rate)? };
        medium.write(folder.path())?;
    }
    Ok(())
}

fn table(measured: &HeldOut) -> Table {
    let mut rows = vec![vec!["loss".to_owned(), format!("{:.4}", measured.loss)]];
    rows.extend(
        measured
            .unigram
            .map(|loss| vec!["loss of a unigram model on the same positions".to_owned(), format!("{loss:.4}")]),
    );
    rows.extend(measured.metrics.iter().map(|(name, value)| vec![name.clone(), format!("{value:.4}")]));
    rows.push(vec!["batches".to_owned(), measured.batches.to_string()]);
    Table { header: vec!["measure".into(), "value".into()], rows, ..Table::default() }
}

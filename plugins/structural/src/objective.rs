//! The objective: a token task, a structure task, or both over the same pass.
//!
//! Axes: n token rows, c chosen rows, d width, v vocabulary, p texts that are told apart, k clusters.

use plugin_api::prelude::*;

use crate::clusters::{Clusters, NONE};
use crate::passages::{Choice, Task};
use crate::swaps::Swaps;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct StructuralSettings {
    /// What is learnt of tokens: predict hidden ones (`mlm`), predict swapped ones (`slm`), or tell swapped ones from others
    /// (`rts`, and `c-rts` with replacements from clusters that are often confused).
    #[setting(default = "rts", choices = ["none", "mlm", "slm", "rts", "c-rts"])]
    tokens: String,
    /// What is learnt of passages, from samples with several paragraphs: same paragraph (`ssp`), sentence of a paragraph
    /// (`sp`), same document (`psd`), several candidates for a paragraph (`mspp`).
    #[setting(default = "none", choices = ["none", "ssp", "sp", "psd", "mspp"])]
    structure: String,
    /// Share of the tokens that are chosen; special tokens never are.
    #[setting(default = 0.15, range = 0.01..=0.9)]
    rate: f64,
    /// Of the chosen tokens of `slm`, the share that is swapped; the rest stays as it is.
    #[setting(default = 0.9, range = 0.0..=1.0)]
    swapped_share: f64,
    /// Weight of the loss on passages beside that on tokens.
    #[setting(default = 1.0, above = 0.0)]
    structure_weight: f64,
    /// Probability that a second text belongs to the first.
    #[setting(default = 0.5, above = 0.0, below = 1.0)]
    positive_share: f64,
    /// Of the texts that do not belong, the share from another sample; the rest is from another paragraph of the same.
    #[setting(default = 0.0, range = 0.0..=1.0)]
    easy_share: f64,
    /// Tokens to which each text of a pair is cut.
    #[setting(default = 64, range = 1..=100_000)]
    text_length: usize,
    /// Candidates of `mspp`.
    #[setting(default = 5, range = 1..=32)]
    candidates: usize,
    /// Where `mspp` looks for its answers: at the end of each candidate, or in the first row for all of them.
    #[setting(default = "individual", choices = ["individual", "aggregated"])]
    mspp_head: String,
    /// Clusters of `c-rts`.
    #[setting(default = 64, range = 2..=4096)]
    clusters: usize,
    /// How tokens are clustered: runs of ids, which are classes of frequency for trained tokenizers, or k-means over the
    /// token embeddings that the run starts from.
    #[setting(default = "ids", choices = ["ids", "embeddings"])]
    clustering: String,
    /// β of `c-rts`: how much a pair of clusters that is often confused is preferred.
    #[setting(default = 2.0, range = 0.0..=100.0)]
    beta: f64,
    /// Count for `c-rts` swapped tokens alone, not those that stayed.
    #[setting(default = false)]
    only_changed: bool,
}

/// What is learnt of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenTask {
    None,
    Predict,
    Tell,
    TellClustered,
}

/// What is learnt of passages.
pub(crate) struct Structure {
    pub(crate) choice: Choice,
    pub(crate) begin: u32,
    pub(crate) end: u32,
    head: Head,
    aggregated: bool,
}

/// What clustered replacements are drawn from.
struct Confusion {
    /// Errors by cluster of the original and cluster of the shown token, `f32` `[k, k]`, from 1.
    counts: Buffer,
    /// Clusters that are known from the start.
    fixed: Option<Clusters>,
    /// The cluster of each token `[v]` where they come from embeddings; all 0 until the first step.
    map: Option<(Buffer, Weight)>,
    number: usize,
    ordinary: Vec<u32>,
    beta: f64,
    only_changed: bool,
}

/// The objective.
pub struct Structural {
    pub(crate) tokens_task: TokenTask,
    pub(crate) swaps: Swaps,
    pub(crate) structure: Option<Structure>,
    structure_weight: f64,
    confusion: Option<Confusion>,
    encoder: Model,
    tokens: Option<Head>,
    swapped: Option<Head>,
}

impl Objective for Structural {
    type Settings = StructuralSettings;

    fn new(settings: StructuralSettings, scope: &Scope) -> Result<Self> {
        let vocabulary = scope.vocabulary("text")?;
        let size = u32::try_from(vocabulary.size()).unwrap_or(u32::MAX);
        let ordinary: Vec<u32> = (0..size).filter(|&id| !vocabulary.is_special(id)).collect();
        if ordinary.is_empty() {
            return Err(Error::new("plugin/vocabulary", "the vocabulary `text` has special tokens only")
                .help("random tokens are drawn from the others: choose another tokenizer"));
        }
        let (tokens_task, masked_share, random_share) = match settings.tokens.as_str() {
            "mlm" => (TokenTask::Predict, 0.8, 0.1),
            "slm" => (TokenTask::Predict, 0.0, settings.swapped_share),
            "rts" => (TokenTask::Tell, 0.0, 1.0),
            "c-rts" => (TokenTask::TellClustered, 0.0, 0.0),
            _ => (TokenTask::None, 0.0, 0.0),
        };
        if tokens_task == TokenTask::None && settings.structure == "none" {
            return Err(Error::setting("structure", "is `none`, and so is `tokens`: there is nothing to learn")
                .help("choose a task on tokens, one on passages, or both"));
        }
        // Nothing but `mlm` shows the mask token.
        let mask = if masked_share > 0.0 { vocabulary.mask_token()? } else { 0 };
        let encoder = scope.model("encoder")?;
        let head = |wanted: bool, kind| if wanted { encoder.head(scope, kind).map(Some) } else { Ok(None) };
        let structure = structure(&settings, &vocabulary, &encoder, scope)?;
        let confusion = match tokens_task {
            TokenTask::TellClustered => Some(Confusion::new(&settings, &vocabulary, &ordinary, &encoder, scope)?),
            _ => None,
        };
        Ok(Self {
            tokens: head(tokens_task == TokenTask::Predict, HeadKind::Tokens)?,
            swapped: head(matches!(tokens_task, TokenTask::Tell | TokenTask::TellClustered), HeadKind::Values(2))?,
            swaps: Swaps { rate: settings.rate, mask, ordinary, masked_share, random_share },
            structure_weight: settings.structure_weight,
            tokens_task,
            structure,
            confusion,
            encoder,
        })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let layout = match self.structure {
            Some(_) => Layout::with_keys(&batch.tensor("sequences.lengths")?, &batch.tensor("sequences.keys")?),
            None => batch.layout("text")?,
        };
        let (clusters, shown_n) = match &self.confusion {
            Some(confusion) => {
                let clusters = confusion.clusters()?;
                let shown_n = confusion.shown(&clusters, batch, &layout)?;
                (Some((confusion, clusters)), shown_n)
            }
            None => (None, batch.tensor("sequences.shown")?),
        };
        let hidden_nd = self.encoder.encode(&shown_n, &layout)?;
        let mut loss = Loss::new();
        if let Some(tokens) = &self.tokens {
            let chosen_c = batch.tensor("chosen")?;
            let targets_c = batch.tensor("sequences.tokens")?.index_select(0, &chosen_c);
            let logits_cv = tokens.apply(&hidden_nd.index_select(0, &chosen_c))?;
            loss = loss.and("loss", 1.0, &logits_cv.cross_entropy(&targets_c));
            loss = loss.metric("accuracy", &logits_cv.argmax(-1).eq(&targets_c)).targets(&targets_c);
        }
        if let Some(swapped) = &self.swapped {
            let is_chosen_n = batch.tensor("is_chosen")?;
            let labels_n = is_chosen_n.cast(DType::U32);
            let logits_n2 = swapped.apply(&hidden_nd)?;
            let right_n = logits_n2.argmax(-1).eq(&labels_n);
            loss = loss.and("loss", 1.0, &logits_n2.cross_entropy(&labels_n)).metric("accuracy", &right_n);
            let found = (&right_n & &is_chosen_n).count_true();
            loss = loss.metric_part("swaps_found", &found, &is_chosen_n.count_true());
            if let (Some((confusion, clusters)), true) = (&clusters, training()) {
                confusion.count(clusters, batch, &shown_n, &right_n)?;
            }
        }
        match &self.structure {
            Some(structure) => structure.add(loss, self.structure_weight, &hidden_nd, batch),
            None => Ok(loss),
        }
    }

    fn couples(&self) -> bool {
        self.structure.as_ref().is_some_and(|structure| structure.choice.needs_other())
    }
}

fn structure(
    settings: &StructuralSettings,
    vocabulary: &Vocabulary,
    encoder: &Model,
    scope: &Scope,
) -> Result<Option<Structure>> {
    let task = match settings.structure.as_str() {
        "ssp" => Task::SameParagraph,
        "sp" => Task::InParagraph,
        "psd" => Task::SameDocument,
        "mspp" => Task::Candidates(settings.candidates),
        _ => return Ok(None),
    };
    let aggregated = settings.structure == "mspp" && settings.mspp_head == "aggregated";
    let kind = if aggregated { HeadKind::Values(settings.candidates) } else { HeadKind::Classes(2) };
    let StructuralSettings { positive_share, easy_share, text_length: longest, .. } = *settings;
    Ok(Some(Structure {
        choice: Choice { task, positive_share, easy_share, longest },
        begin: vocabulary.begin_token()?,
        end: vocabulary.end_token()?,
        head: encoder.head(scope, kind)?,
        aggregated,
    }))
}

impl Structure {
    /// The loss on passages, named `structure`.
    fn add(&self, loss: Loss, weight: f64, hidden_nd: &Tensor, batch: &Batch) -> Result<Loss> {
        let related_p = batch.tensor("structure.related")?;
        let candidates = matches!(self.choice.task, Task::Candidates(_)) && !self.aggregated;
        let rows = batch.tensor(if candidates { "structure.second_rows" } else { "structure.first_rows" })?;
        let logits = self.head.apply(&hidden_nd.index_select(0, &rows))?;
        if self.aggregated {
            let logits_p = logits.reshape(&[-1]);
            let truth_p = related_p.cast(logits_p.dtype()?);
            let told_p = logits_p.gt(0.0).cast(DType::U32);
            let loss = loss.and("structure", weight, &logits_p.bce_with_logits(&truth_p, None));
            return Ok(loss.metric("structure_accuracy", &told_p.eq(&related_p)));
        }
        let loss = loss.and("structure", weight, &logits.cross_entropy(&related_p));
        Ok(loss.metric("structure_accuracy", &logits.argmax(-1).eq(&related_p)))
    }
}

impl Confusion {
    fn new(
        settings: &StructuralSettings,
        vocabulary: &Vocabulary,
        ordinary: &[u32],
        encoder: &Model,
        scope: &Scope,
    ) -> Result<Self> {
        let number = settings.clusters;
        if number > ordinary.len() {
            let fact = format!("is {number}, more than the {} ordinary tokens of the vocabulary", ordinary.len());
            return Err(Error::setting("clusters", fact).help("choose fewer"));
        }
        let from_embeddings = settings.clustering == "embeddings";
        let map = || -> Result<(Buffer, Weight)> {
            let buffer = scope.buffer("clusters", &[vocabulary.size()], Init::Zeros, DType::U32)?;
            Ok((buffer, encoder.word_embeddings()?))
        };
        Ok(Self {
            counts: scope.buffer("confusions", &[number, number], Init::Ones, DType::F32)?,
            fixed: (!from_embeddings).then(|| Clusters::of_ids(vocabulary.size(), ordinary, number)),
            map: from_embeddings.then(map).transpose()?,
            number,
            ordinary: ordinary.to_vec(),
            beta: settings.beta,
            only_changed: settings.only_changed,
        })
    }

    /// The clusters; those of embeddings are found in the first step and kept with the checkpoint.
    fn clusters(&self) -> Result<Clusters> {
        let Some((map, embeddings)) = &self.map else {
            return self.fixed.clone().ok_or_else(|| Error::new("plugin/clusters", "the clusters are lost"));
        };
        let kept = map.tensor().to_vec::<u32>()?;
        if kept.iter().any(|&cluster| cluster != 0) {
            return Ok(Clusters::new(kept, self.number));
        }
        let table = embeddings.tensor().stop_gradient();
        let found = Clusters::of_embeddings(&table.to_vec::<f32>()?, &self.ordinary, self.number, kept.len());
        if training() {
            map.set(&Tensor::new(&found.of_token, &[kept.len()]))?;
        }
        Ok(found)
    }

    /// The tokens with the chosen ones replaced.
    fn shown(&self, clusters: &Clusters, batch: &Batch, layout: &Layout) -> Result<Tensor> {
        let mut shown = batch.tensor("sequences.tokens")?.to_vec::<u32>()?;
        let draws = random::uniform(&(layout, 2), "replacement").to_vec::<f64>()?;
        let counts = self.counts.tensor().to_vec::<f32>()?;
        let mut shares: Vec<Option<Vec<f64>>> = vec![None; self.number];
        for row in batch.tensor("chosen")?.to_vec::<i64>()? {
            let row = row as usize;
            let from = clusters.of_token[shown[row] as usize];
            // An id that the vocabulary calls ordinary has a cluster; one that came with the text and is none stays.
            if from != NONE {
                let shares =
                    shares[from as usize].get_or_insert_with(|| clusters.shares(&counts, from as usize, self.beta));
                shown[row] = clusters.replacement(shares, [draws[2 * row], draws[2 * row + 1]]);
            }
        }
        Ok(Tensor::new(&shown, &[shown.len()]))
    }

    /// Counts right and wrong answers, for the steps to come.
    fn count(&self, clusters: &Clusters, batch: &Batch, shown_n: &Tensor, right_n: &Tensor) -> Result<()> {
        let original = batch.tensor("sequences.tokens")?.to_vec::<u32>()?;
        let (shown, right) = (shown_n.to_vec::<u32>()?, right_n.to_vec::<bool>()?);
        let change = clusters.change(&original, &shown, &right, self.only_changed);
        self.counts.add(&Tensor::new(&change, &[self.number, self.number]))
    }
}

impl Evaluate for Structural {
    /// Logits of tokens, where the task predicts any.
    fn predict(&self, batch: &Batch, rows_c: &Tensor) -> Result<Tensor> {
        let Some(tokens) = &self.tokens else {
            return Err(Error::unsupported("this run tells swapped tokens from others and predicts none")
                .help("train with `tokens = \"mlm\"` or `\"slm\"` to fill gaps"));
        };
        let hidden_nd = self.encoder.encode(&batch.tensor("text.tokens")?, &batch.layout("text")?)?;
        tokens.apply(&hidden_nd.index_select(0, rows_c))
    }
}

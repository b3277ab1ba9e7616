//! From a source to a target: span corruption, prefix language modelling and full language modelling over one model,
//! encoder–decoder, prefix decoder or causal decoder.
//!
//! Raffel et al. 2020, arXiv:1910.10683, section 3.1.4 (span corruption); the grid of architectures and objectives is that
//! of Wang et al. 2022, arXiv:2204.05832, sections 3.1 and 3.2. Axes: n token rows, m rows of the source, c rows that
//! predict, d width, v vocabulary.

pub mod corruption;

use plugin_api::prelude::*;

use corruption::Corruption;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct SpanSettings {
    /// What is predicted from what: gaps of the text from the rest (`span`), its end from its beginning (`prefix`), each token from those before it (`full`).
    #[setting(default = "span", choices = ["span", "prefix", "full"])]
    task: String,
    /// Of a decoder alone: whether the source is seen in both directions (`prefix`) or only backwards (`causal`).
    #[setting(default = "prefix", choices = ["prefix", "causal"])]
    attention: String,
    /// Share of the tokens that spans hide.
    #[setting(default = 0.15, range = 0.01..=0.9)]
    noise_share: f64,
    /// Mean length of a span, in tokens.
    #[setting(default = 3.0, range = 1.0..=1000.0)]
    mean_span: f64,
    /// Weight of (ln Σ exp logits)², which keeps logits small; 1e-4 in the paper of the grid.
    #[setting(default = 0.0, range = 0.0..=1.0)]
    z_loss: f64,
}

/// What is predicted from what.
enum Task {
    Span(Corruption),
    Prefix,
    Full,
}

/// Who sees the source how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Architecture {
    /// An encoder reads the source, a decoder writes the target; the token it begins with.
    EncoderDecoder(u32),
    /// One decoder that sees the source in both directions.
    BothWays,
    /// One decoder that sees only backwards.
    Backwards,
}

/// The objective.
pub struct Span {
    task: Task,
    architecture: Architecture,
    z_loss: f64,
    end: u32,
    special: Vec<u32>,
    model: Model,
    tokens: Head,
}

impl Objective for Span {
    type Settings = SpanSettings;

    fn new(settings: SpanSettings, scope: &Scope) -> Result<Self> {
        let model = scope.model("model")?;
        let vocabulary = scope.vocabulary("text")?;
        let architecture = architecture(&settings, &model.describe()?, &vocabulary)?;
        let task = match settings.task.as_str() {
            "prefix" if architecture == Architecture::Backwards => {
                return Err(Error::setting(
                    "task",
                    "is `prefix`, and a causal decoder learns that with `full` already",
                )
                .help("set `attention = \"prefix\"`, or `task = \"full\"`"));
            }
            "prefix" => Task::Prefix,
            "full" if architecture != Architecture::Backwards => {
                return Err(Error::setting(
                    "task",
                    "is `full`, which only a causal decoder can learn without seeing ahead",
                )
                .help("set `attention = \"causal\"` and a decoder alone, or `task = \"prefix\"`"));
            }
            "full" => Task::Full,
            _ => Task::Span(Corruption {
                noise_share: settings.noise_share,
                mean_span: settings.mean_span,
                sentinels: vocabulary.sentinels(1)?.to_vec(),
            }),
        };
        Ok(Self {
            task,
            architecture,
            z_loss: settings.z_loss,
            end: vocabulary.end_token()?,
            special: vocabulary.special().to_vec(),
            tokens: model.head(scope, HeadKind::Tokens)?,
            model,
        })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let (logits_cv, targets_c) = self.logits(batch, "task")?;
        let mut loss = Loss::sum_over(&logits_cv.cross_entropy(&targets_c));
        if self.z_loss > 0.0 {
            loss = loss.and("z_loss", self.z_loss, &logits_cv.logsumexp(-1, false).square());
        }
        loss = loss.metric("accuracy", &logits_cv.argmax(-1).eq(&targets_c)).targets(&targets_c);
        if training() {
            return Ok(loss);
        }
        // What all tasks and architectures can be compared by: the second half of a text, given the first.
        let (logits_cv, targets_c) = self.logits(batch, "continuation")?;
        Ok(loss.metric("continuation_loss", &logits_cv.cross_entropy(&targets_c)))
    }
}

/// The architecture that settings and model make up.
fn architecture(settings: &SpanSettings, model: &Description, vocabulary: &Vocabulary) -> Result<Architecture> {
    let number = |name: &str| model.get(name).and_then(plugin_api::Json::as_u64);
    if number("decoder_layers").unwrap_or(0) > 0 {
        let told = number("decoder_start_token").and_then(|id| u32::try_from(id).ok());
        return Ok(Architecture::EncoderDecoder(told.map_or_else(|| vocabulary.pad_token(), Ok)?));
    }
    if !model.causal {
        return Err(Error::new("plugin/model", "the model of the role `model` sees the tokens it is to predict")
            .help("set `causal = true` in [model.model], or `decoder_layers` for an encoder and a decoder"));
    }
    Ok(if settings.attention == "causal" { Architecture::Backwards } else { Architecture::BothWays })
}

impl Collate for Span {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let (mut task, mut continuation) = (Examples::default(), Examples::default());
        let training = samples.training()?;
        for sample in samples.iter() {
            let text: Vec<u32> =
                sample.u32s("text.tokens")?.iter().copied().filter(|id| !self.special.contains(id)).collect();
            if let Some((source, target)) = self.example(&sample, &text)? {
                self.push(&mut task, &sample, &source, &target)?;
            }
            if !training && text.len() > 1 {
                let (source, target) = text.split_at(text.len() / 2);
                self.push(&mut continuation, &sample, source, target)?;
            }
        }
        task.add_to(samples, "task")?;
        if training { Ok(()) } else { continuation.add_to(samples, "continuation") }
    }
}

/// Sources and targets of a batch.
#[derive(Default)]
struct Examples {
    /// Of an encoder–decoder.
    sources: Sequences,
    /// Targets, with their sources before them where there is one decoder.
    targets: Sequences,
    /// How many rows of each target sequence are seen by all of it.
    prefixes: Vec<u32>,
}

impl Examples {
    fn add_to(&self, samples: &Samples, name: &str) -> Result<()> {
        self.sources.add_to(samples, &format!("{name}.source"))?;
        self.targets.add_to(samples, &format!("{name}.target"))?;
        samples.add(&format!("{name}.prefixes"), &self.prefixes)
    }
}

impl Span {
    /// Source and target of a text by the task; `None` where it is too short.
    fn example(&self, sample: &Sample, text: &[u32]) -> Result<Option<(Vec<u32>, Vec<u32>)>> {
        if text.len() < 2 {
            return Ok(None);
        }
        let with_end = |tokens: &[u32]| [tokens, &[self.end]].concat();
        Ok(Some(match &self.task {
            Task::Span(corruption) => {
                let draws = sample.uniforms("spans", 2 * text.len())?;
                let (source, target) = corruption.apply(text, &draws)?;
                (with_end(&source), with_end(&target))
            }
            Task::Prefix => {
                let split = 1 + (sample.uniforms("split", 1)?[0] * (text.len() - 1) as f64) as usize;
                let (source, target) = text.split_at(split.min(text.len() - 1));
                (source.to_vec(), with_end(target))
            }
            Task::Full => (text[..1].to_vec(), with_end(&text[1..])),
        }))
    }

    fn push(&self, examples: &mut Examples, sample: &Sample, source: &[u32], target: &[u32]) -> Result<()> {
        let before = &target[..target.len() - 1];
        let (first_row, prefix) = match self.architecture {
            Architecture::EncoderDecoder(start) => {
                examples.sources.push(sample, source.iter().copied())?;
                (examples.targets.push(sample, [&[start], before].concat())?, 0)
            }
            Architecture::BothWays | Architecture::Backwards => {
                let first_row = examples.targets.push(sample, [source, before].concat())? + source.len() - 1;
                let prefix = if self.architecture == Architecture::BothWays { source.len() } else { 0 };
                (first_row, prefix as u32)
            }
        };
        examples.prefixes.push(prefix);
        target.iter().enumerate().for_each(|(at, &token)| examples.targets.predict(first_row + at, token));
        Ok(())
    }

    /// Logits `[c, v]` and their targets `[c]`.
    fn logits(&self, batch: &Batch, name: &str) -> Result<(Tensor, Tensor)> {
        let SequenceBatch { tokens, layout, rows, targets } = batch.sequences(&format!("{name}.target"))?;
        let hidden_nd = if let Architecture::EncoderDecoder(_) = self.architecture {
            let source = batch.sequences(&format!("{name}.source"))?;
            let memory_md = self.model.encode(&source.tokens, &source.layout)?;
            let pass = self.model.pass(&layout).workflow("decode").tokens(&tokens);
            pass.input("memory", &memory_md).input("memory.layout", &source.layout).run()?.hidden().clone()
        } else {
            let visible = Mask::prefix(&batch.tensor(&format!("{name}.prefixes"))?);
            self.model.pass(&layout).tokens(&tokens).mask(&visible).run()?.hidden().clone()
        };
        Ok((self.tokens.apply(&hidden_nd.index_select(0, &rows))?, targets))
    }
}

export_plugin! { name: "span", provides: [Objective<Span>, Collate<Span>] }

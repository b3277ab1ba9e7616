//! The objective: what is shown, what a hidden token weighs, and the bounds that are measured on held-out data.
//!
//! Axes: n token rows, c hidden rows, d width, v vocabulary, b samples.

use plugin_api::prelude::*;

use crate::noising::{self, Bound, Hidden};

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct MdmSettings {
    /// The estimate of the bound: a time with weight 1/t, or a number of hidden tokens with weight n/k.
    #[setting(default = "one-over-t", choices = ["one-over-t", "time-free"])]
    bound: String,
    /// The least share that is hidden in training: t = (1 − epsilon) · u + epsilon. Held-out data is measured with 0.
    #[setting(default = 1e-3, range = 0.0..=0.5)]
    epsilon: f64,
    /// Share of the samples that are cut to a random length in training, so that short texts are seen as well.
    #[setting(default = 0.01, range = 0.0..=1.0)]
    random_length_share: f64,
    /// Never hide the prompt: the tokens up to the first separator, which samples made of two fields have between them.
    #[setting(default = false)]
    conditional: bool,
    /// The id of the separator of `conditional`; left out, the vocabulary's end token.
    separator: Option<u32>,
    /// Probability that the whole prompt is shown as mask tokens, in training: what guidance needs unless the model has
    /// learnt without prompts before.
    #[setting(default = 0.0, range = 0.0..=1.0)]
    hide_prompt: f64,
    /// Views of each held-out sample, at evenly spaced times.
    #[setting(default = 4, range = 1..=1024)]
    held_out_draws: usize,
    /// Measure on held-out data the chain rule as well, each token with all later ones hidden: as many passes as a sample
    /// has tokens.
    #[setting(default = false)]
    chain_rule: bool,
}

/// The objective.
pub struct Mdm {
    settings: MdmSettings,
    bound: Bound,
    vocabulary: Vocabulary,
    separator: Option<u32>,
    encoder: Model,
    tokens: Head,
}

/// Logits `[c, v]` of tokens alone: the mask token is never predicted.
///
/// # Errors
/// When a fault came before.
pub(crate) fn without_mask(logits_cv: &Tensor, mask: u32) -> Result<Tensor> {
    let size = logits_cv.dim(-1)?;
    let mut penalty = vec![0_f32; size];
    if let Some(of_mask) = penalty.get_mut(mask as usize) {
        *of_mask = -1e9;
    }
    Ok(logits_cv + &Tensor::new(&penalty, &[size]).cast(logits_cv.dtype()?))
}

/// Refuses models that see only one side.
pub(crate) fn sees_both_sides(encoder: &Model) -> Result<()> {
    if !encoder.describe()?.causal {
        return Ok(());
    }
    Err(Error::new("plugin/model", "the model of the role `encoder` sees only what comes before a hidden token")
        .help("leave out `causal = true` in [model.encoder]"))
}

impl Objective for Mdm {
    type Settings = MdmSettings;

    fn new(settings: MdmSettings, scope: &Scope) -> Result<Self> {
        let vocabulary = scope.vocabulary("text")?;
        vocabulary.mask_token()?;
        let separator = match (settings.conditional, settings.separator) {
            (true, None) => Some(vocabulary.end_token()?),
            (true, given) => given,
            (false, Some(_)) => {
                return Err(Error::setting("separator", "has no meaning without `conditional`")
                    .help("set `conditional = true`, or leave it out"));
            }
            (false, None) if settings.hide_prompt > 0.0 => {
                return Err(Error::setting("hide_prompt", "has no meaning without `conditional`")
                    .help("set `conditional = true`, or leave it out"));
            }
            (false, None) => None,
        };
        let bound = if settings.bound == "time-free" { Bound::TimeFree } else { Bound::OneOverT };
        let encoder = scope.model("encoder")?;
        sees_both_sides(&encoder)?;
        Ok(Self { tokens: encoder.head(scope, HeadKind::Tokens)?, encoder, settings, bound, vocabulary, separator })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        if training() {
            return self.training_loss(batch);
        }
        let loss = self.view("held_out", batch, &Layout::new(&batch.tensor("held_out.lengths")?))?;
        if self.settings.chain_rule { self.chain_rule(batch, loss) } else { Ok(loss) }
    }
}

impl Mdm {
    fn training_loss(&self, batch: &Batch) -> Result<Loss> {
        let lengths_b = batch.tensor("training.lengths")?;
        self.view("training", batch, &Layout::with_keys(&lengths_b, &batch.tensor("training.keys")?))
    }

    /// Σ weight · −ln p over the hidden tokens of a view, counted by the open ones.
    fn view(&self, view: &str, batch: &Batch, layout: &Layout) -> Result<Loss> {
        let column = |name: &str| batch.tensor(&format!("{view}.{name}"));
        let (targets_c, weights_c) = (column("targets")?, column("weights")?);
        let logits_cv = self.logits(&column("shown")?, layout, &column("hidden")?)?;
        let loss_c = logits_cv.cross_entropy(&targets_c);
        let weighted_c = &loss_c * &weights_c.cast(loss_c.dtype()?);
        let loss = Loss::new().part("loss", 1.0, &weighted_c.sum(), &column("open")?.sum());
        Ok(loss.metric("accuracy", &logits_cv.argmax(-1).eq(&targets_c)).targets(&targets_c))
    }

    fn logits(&self, shown_n: &Tensor, layout: &Layout, rows_c: &Tensor) -> Result<Tensor> {
        let hidden_nd = self.encoder.encode(shown_n, layout)?;
        // Only hidden rows reach the vocabulary head, the widest matrix of the model.
        let logits_cv = self.tokens.apply(&hidden_nd.index_select(0, rows_c))?;
        without_mask(&logits_cv, self.vocabulary.mask_token()?)
    }

    /// −ln p of each open token with all later ones hidden, step by step: one pass for the first open token of all samples,
    /// one for the second, and so on.
    fn chain_rule(&self, batch: &Batch, loss: Loss) -> Result<Loss> {
        let layout = batch.layout("text")?;
        let (shown_sn, rows_c) = (batch.tensor("chain.shown")?, batch.tensor("chain.rows")?);
        let targets_c = batch.tensor("chain.targets")?;
        let (mut sum, mut first) = (Tensor::scalar(0_f32), 0);
        for (step, count) in batch.tensor("chain.counts")?.to_vec::<u32>()?.into_iter().enumerate() {
            let count = count as usize;
            let shown_n = shown_sn.narrow(0, step, 1).squeeze(0);
            let logits_cv = self.logits(&shown_n, &layout, &rows_c.narrow(0, first, count))?;
            let step_sum = logits_cv.cross_entropy(targets_c.narrow(0, first, count)).sum();
            sum = &step_sum + &sum.cast(step_sum.dtype()?);
            first += count;
        }
        Ok(loss.metric_part("chain_rule", &sum, &Tensor::scalar(first as f32)))
    }
}

/// Columns of a view as they grow sample by sample.
#[derive(Default)]
struct View {
    shown: Vec<u32>,
    lengths: Vec<u32>,
    hidden: Vec<i64>,
    targets: Vec<i64>,
    weights: Vec<f32>,
    open: f32,
}

impl View {
    /// Appends a sample whose `hidden` tokens are shown as `mask`, each loss divided by `views`.
    fn push(&mut self, tokens: &[u32], masked: &[usize], hidden: &Hidden, mask: u32, views: usize) {
        let first = self.shown.len();
        self.shown.extend(tokens);
        for &position in masked.iter().chain(&hidden.positions) {
            self.shown[first + position] = mask;
        }
        self.lengths.push(tokens.len() as u32);
        self.hidden.extend(hidden.positions.iter().map(|position| (first + position) as i64));
        self.targets.extend(hidden.positions.iter().map(|&position| i64::from(tokens[position])));
        self.weights.extend(hidden.positions.iter().map(|_| (hidden.weight / views as f64) as f32));
    }

    fn add(self, name: &str, samples: &Samples) -> Result<()> {
        let column = |column: &str| format!("{name}.{column}");
        samples.add(&column("shown"), &self.shown)?;
        samples.add(&column("lengths"), &self.lengths)?;
        samples.add(&column("hidden"), &self.hidden)?;
        samples.add(&column("targets"), &self.targets)?;
        samples.add(&column("weights"), &self.weights)?;
        samples.add(&column("open"), &[self.open])
    }
}

impl Collate for Mdm {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let (mask, begin) = (self.vocabulary.mask_token()?, self.vocabulary.begin_token().ok());
        let (mut training, mut held_out, mut keys) = (View::default(), View::default(), Vec::<i64>::new());
        let views = self.settings.held_out_draws;
        let mut chain = Chain::default();
        for sample in samples.iter() {
            let tokens = sample.u32s("text.tokens")?;
            let prompt = self.separator.map_or(0, |separator| noising::prompt(tokens, separator));
            let open = noising::open(tokens, prompt, begin, mask);

            let lengths = sample.uniforms("length", 2)?;
            let length = noising::cut(tokens.len(), self.settings.random_length_share, &lengths);
            let kept: Vec<usize> = open.iter().copied().filter(|&position| position < length).collect();
            let draws = sample.uniforms("hidden", tokens.len() + 3)?;
            let hidden = noising::hide(self.bound, &kept, draws[0], self.settings.epsilon, &draws[3..]);
            let given: Vec<usize> = (0..prompt.min(length)).collect();
            let masked = if draws[1] < self.settings.hide_prompt { given.as_slice() } else { &[] };
            training.push(&tokens[..length], masked, &hidden, mask, 1);
            training.open += kept.len() as f32;
            keys.push((draws[2] * (1_u64 << 53) as f64) as i64);

            let draws = sample.uniforms("held out", 1 + views * tokens.len())?;
            for view in 0..views {
                let time = noising::even_time(draws[0], view, views);
                let hidden = noising::hide(self.bound, &open, time, 0.0, &draws[1 + view * tokens.len()..]);
                held_out.push(tokens, &[], &hidden, mask, views);
            }
            held_out.open += open.len() as f32;
            if self.settings.chain_rule {
                chain.push(tokens, open, sample.first_row("text")?);
            }
        }
        training.add("training", samples)?;
        samples.add("training.keys", &keys)?;
        held_out.add("held_out", samples)?;
        if self.settings.chain_rule { chain.add(mask, samples) } else { Ok(()) }
    }
}

/// The samples of the chain rule: their tokens, and where the open ones lie in the batch.
#[derive(Default)]
struct Chain {
    tokens: Vec<u32>,
    /// Of each sample, the rows of its open tokens in order.
    open: Vec<Vec<usize>>,
}

impl Chain {
    fn push(&mut self, tokens: &[u32], open: Vec<usize>, first_row: usize) {
        self.tokens.extend(tokens);
        self.open.push(open.into_iter().map(|position| first_row + position).collect());
    }

    /// Step s of all samples hides what is open from its s-th open token on, and scores that one.
    fn add(self, mask: u32, samples: &Samples) -> Result<()> {
        let steps = self.open.iter().map(Vec::len).max().unwrap_or(0);
        let (mut shown, mut rows, mut targets) = (Vec::new(), Vec::<i64>::new(), Vec::<i64>::new());
        let mut counts = Vec::<u32>::new();
        for step in 0..steps {
            let (first, before) = (shown.len(), rows.len());
            shown.extend(&self.tokens);
            for open in self.open.iter().filter(|open| step < open.len()) {
                open[step..].iter().for_each(|&row| shown[first + row] = mask);
                rows.push(open[step] as i64);
                targets.push(i64::from(self.tokens[open[step]]));
            }
            counts.push((rows.len() - before) as u32);
        }
        samples.add_shaped("chain.shown", &shown, &[steps, self.tokens.len()])?;
        samples.add("chain.rows", &rows)?;
        samples.add("chain.targets", &targets)?;
        samples.add("chain.counts", &counts)
    }
}

impl Evaluate for Mdm {
    fn predict(&self, batch: &Batch, rows_c: &Tensor) -> Result<Tensor> {
        self.logits(&batch.tensor("text.tokens")?, &batch.layout("text")?, rows_c)
    }
}

//! The decoder: the sampler's rules over the trained encoder of a run.

use plugin_api::prelude::*;

use crate::objective::sees_both_sides;
use crate::sampler::{Draws, Network, Numbers, Question, Rule, Sequence, guidance, write};

/// What `lacuna generate RUN --decoder mdm key=value` takes.
#[derive(Settings)]
pub struct DecoderSettings {
    /// Which hidden tokens are filled when.
    #[setting(default = "first-hitting", choices = ["first-hitting", "parallel", "ancestral", "origin", "greedy"])]
    pub(crate) sampler: String,
    /// Steps; left out, as many as there are new tokens. `first-hitting` always takes that many.
    #[setting(range = 1..=1_000_000)]
    pub(crate) steps: Option<usize>,
    /// Power of the noise of token draws; 0 takes the likeliest token. `ancestral` knows 1 alone.
    #[setting(default = 1.0, range = 0.0..=10.0)]
    pub(crate) temperature: f64,
    /// Numbers that tokens are drawn in.
    #[setting(default = "f64", choices = ["f32", "f64"])]
    pub(crate) precision: String,
    /// Bits of a uniform number, left out 24 in f32 and 53 in f64: fewer show what a coarse grid does.
    #[setting(range = 4..=53)]
    pub(crate) uniform_bits: Option<u32>,
    /// Weight w of guidance: logits u + (1 + w)(c − u), u without the prompt. 0 does without the second pass.
    #[setting(default = 0.0, range = 0.0..=20.0)]
    pub(crate) guidance: f64,
}

/// The decoder.
pub struct Denoiser {
    settings: DecoderSettings,
    numbers: Numbers,
    mask: u32,
    encoder: Model,
    tokens: Head,
    maximum_length: Option<usize>,
}

impl Decoder for Denoiser {
    type Settings = DecoderSettings;

    fn new(settings: DecoderSettings, scope: &Scope) -> Result<Self> {
        let (steps_at_will, is_ancestral) = (settings.sampler != "first-hitting", settings.sampler == "ancestral");
        if settings.steps.is_some() && !steps_at_will {
            return Err(Error::setting(
                "steps",
                "has no meaning for `first-hitting`: it takes one step for each token",
            )
            .help("leave it out, or take `sampler = parallel`"));
        }
        if is_ancestral && settings.temperature != 1.0 {
            return Err(Error::setting(
                "temperature",
                "must be 1 for `ancestral`, whose one draw is for token and time",
            )
            .help("leave it out, or take another sampler"));
        }
        let single = settings.precision == "f32";
        let plain = if single { Numbers::SINGLE } else { Numbers::DOUBLE };
        let numbers = Numbers { bits: settings.uniform_bits.unwrap_or(plain.bits), single };
        let encoder = scope.model("encoder")?;
        sees_both_sides(&encoder)?;
        let described = encoder.describe()?;
        let maximum_length = described.get("maximum_length").and_then(plugin_api::Json::as_u64);
        Ok(Self {
            tokens: encoder.head(scope, HeadKind::Tokens)?,
            maximum_length: maximum_length.and_then(|length| usize::try_from(length).ok()),
            mask: scope.vocabulary("text")?.mask_token()?,
            encoder,
            numbers,
            settings,
        })
    }

    fn decode(&self, prompts: &Batch, length: usize) -> Result<Vec<Vec<u32>>> {
        let tokens = prompts.tensor("text.tokens")?.to_vec::<u32>()?;
        let lengths = prompts.layout("text")?.lengths().to_vec::<u32>()?;
        let numbers = prompts.tensor("sequences")?.to_vec::<u32>()?;
        let (mut beginnings, mut first) = (Vec::with_capacity(lengths.len()), 0);
        for length in lengths {
            beginnings.push(tokens[first..first + length as usize].to_vec());
            first += length as usize;
        }
        Ok(self.continued(&beginnings, &numbers, length)?.0)
    }
}

impl Denoiser {
    /// New tokens behind each prompt, and how often the network was asked. The draws of a sequence go by its number.
    pub(crate) fn continued(
        &self,
        prompts: &[Vec<u32>],
        numbers: &[u32],
        length: usize,
    ) -> Result<(Vec<Vec<u32>>, usize)> {
        let mut draws: Vec<HostDraws> = numbers.iter().map(|&number| HostDraws::of(number)).collect();
        let mut sequences = Vec::with_capacity(prompts.len());
        for (prompt, draws) in prompts.iter().zip(&mut draws) {
            self.check_length(prompt.len(), length)?;
            sequences.push(Sequence::new(prompt, length, self.mask, draws));
        }
        let calls = self.write(&self.rule(length), prompts.iter().map(Vec::len).collect(), &mut sequences)?;
        let new = |sequence: &Sequence<'_>| sequence.tokens[sequence.tokens.len() - length..].to_vec();
        Ok((sequences.iter().map(new).collect(), calls))
    }

    /// The tokens with those at hidden positions filled, one at a time, the most confident first.
    pub(crate) fn filled(&self, texts: &[(Vec<u32>, Vec<usize>)]) -> Result<Vec<Vec<u32>>> {
        let mut draws: Vec<HostDraws> = texts.iter().map(|_| HostDraws::of(0)).collect();
        let longest = texts.iter().map(|(_, hidden)| hidden.len()).max().unwrap_or(0);
        let mut sequences: Vec<Sequence> = texts
            .iter()
            .zip(&mut draws)
            .map(|((tokens, hidden), draws)| Sequence::with_hidden(tokens, hidden, self.mask, draws))
            .collect();
        self.write(&Rule::OneByOne { steps: longest }, vec![0; texts.len()], &mut sequences)?;
        Ok(sequences.into_iter().map(|sequence| sequence.tokens).collect())
    }

    fn write(&self, rule: &Rule, prompts: Vec<usize>, sequences: &mut [Sequence<'_>]) -> Result<usize> {
        let mut network = Asked { decoder: self, prompts, calls: 0 };
        write(rule, self.numbers, &mut network, sequences)?;
        Ok(network.calls)
    }

    fn rule(&self, length: usize) -> Rule {
        let (temperature, steps) = (self.settings.temperature, self.settings.steps.unwrap_or(length));
        match self.settings.sampler.as_str() {
            "parallel" => Rule::Parallel { steps, temperature },
            "ancestral" => Rule::Ancestral { steps },
            "origin" => Rule::Origin { steps, temperature },
            "greedy" => Rule::Greedy { steps, temperature },
            _ => Rule::FirstHitting { temperature },
        }
    }

    fn check_length(&self, prompt: usize, length: usize) -> Result<()> {
        match self.maximum_length {
            Some(maximum) if prompt + length > maximum => {
                let text = format!(
                    "a prompt of {prompt} tokens and {length} new ones are more than the {maximum} positions of the model"
                );
                Err(Error::data(text).help("ask for fewer, or shorten the prompt"))
            }
            _ => Ok(()),
        }
    }

    /// Logits of hidden tokens, of all questions one after the other, and how many numbers each row has.
    fn logits(&self, tokens: &[u32], lengths: &[u32], rows: &[i64]) -> Result<(Vec<f32>, usize)> {
        let layout = Layout::new(&Tensor::new(lengths, &[lengths.len()]));
        let hidden_nd = self.encoder.encode(&Tensor::new(tokens, &[tokens.len()]), &layout)?;
        let logits_cv = self.tokens.apply(&hidden_nd.index_select(0, Tensor::new(rows, &[rows.len()])))?;
        Ok((logits_cv.to_vec::<f32>()?, logits_cv.dim(-1)?))
    }
}

/// The network behind some prompts of these lengths; all sequences of a decoding have new tokens of one number.
struct Asked<'a> {
    decoder: &'a Denoiser,
    prompts: Vec<usize>,
    calls: usize,
}

impl Network for Asked<'_> {
    fn probabilities(&mut self, questions: &[Question<'_>]) -> Result<Vec<Vec<f32>>> {
        let (mut tokens, mut lengths, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for question in questions {
            rows.extend(question.hidden.iter().map(|position| (tokens.len() + position) as i64));
            tokens.extend_from_slice(question.tokens);
            lengths.push(question.tokens.len() as u32);
        }
        let (mut logits, width) = self.decoder.logits(&tokens, &lengths, &rows)?;
        self.calls += 1;
        let (weight, mask) = (self.decoder.settings.guidance, self.decoder.mask);
        if weight > 0.0 && self.prompts.iter().any(|&length| length > 0) {
            self.hide_prompts(questions, &mut tokens);
            let (without, _) = self.decoder.logits(&tokens, &lengths, &rows)?;
            self.calls += 1;
            logits = guidance::guided(&logits, &without, weight);
        }
        guidance::softmax(&mut logits, width, mask);
        let mut rest = logits.as_slice();
        let answer = |question: &Question<'_>| {
            let (own, behind) = rest.split_at(question.hidden.len() * width);
            rest = behind;
            own.to_vec()
        };
        Ok(questions.iter().map(answer).collect())
    }
}

impl Asked<'_> {
    /// Shows the prompts as mask tokens.
    fn hide_prompts(&self, questions: &[Question<'_>], tokens: &mut [u32]) {
        let mut first = 0;
        for question in questions {
            let prompt = self.prompts[question.number];
            tokens[first..first + prompt].fill(self.decoder.mask);
            first += question.tokens.len();
        }
    }
}

/// Uniform numbers of the host: those of one sequence are a stream of their own.
struct HostDraws {
    stream: String,
}

impl HostDraws {
    fn of(number: u32) -> Self {
        Self { stream: format!("sequence {number}") }
    }
}

impl Draws for HostDraws {
    fn take(&mut self, count: usize) -> Result<Vec<f64>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        random::uniform_f64(&[count], &self.stream).to_vec()
    }
}

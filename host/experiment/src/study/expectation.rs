//! What a claim says of the arms: a small language.
//!
//! ```text
//! expectation = clause { "and" clause }
//! clause      = side relation side { relation side } [ "on" ( TASK | NUMBER "tasks" | "average" ) ]
//! relation    = ">" | ">=" | "<" | "<=" | "~"
//! side        = term { ( "+" | "-" ) term }
//! term        = ARM | NUMBER | NUMBER "*" ARM | ARM "*" NUMBER
//! ```
//!
//! Between two arms `a > b` says that a is *better*. With a number in it the figures themselves are compared: `a < 1.05 * b`
//! says that a's figure is less than 1.05 times b's. `a ~ b` says that no difference shows. `a > b > c` is two clauses.

use super::{Arm, Task};
use crate::error::Error;
use crate::source::Source;
use crate::suggest::suggest;
use crate::table::visible;

/// What a claim says: all its clauses.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// As it was written.
    pub text: String,
    /// At least one.
    pub clauses: Vec<Clause>,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// As it was written.
    pub text: String,
    /// Left of the relation.
    pub left: Side,
    /// The relation.
    pub relation: Relation,
    /// Right of the relation.
    pub right: Side,
    /// Where it must hold.
    pub on: On,
}

/// What is said of two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the relations")]
pub enum Relation {
    Greater,
    AtLeast,
    Less,
    AtMost,
    /// No difference shows.
    Unclear,
}

/// A sum of figures of arms and a number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    /// Factor and arm, by its place in the study.
    pub terms: Vec<(f64, usize)>,
    /// The number, where one is written, be it 0.
    pub constant: Option<f64>,
}

/// Where a clause must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// On the mean over the tasks; the only way where there are none.
    Average,
    /// On one task, by its place in the study.
    Task(usize),
    /// On at least so many tasks, each for itself.
    Tasks(usize),
}

impl Side {
    /// The arm, where the side is one arm and nothing else.
    #[must_use]
    pub fn arm(&self) -> Option<usize> {
        match self.terms.as_slice() {
            [(factor, arm)] if *factor == 1.0 && self.constant.is_none() => Some(*arm),
            _ => None,
        }
    }
}

impl Clause {
    /// The two arms, where no number is in it: then it speaks of better and worse.
    #[must_use]
    pub fn arms(&self) -> Option<(usize, usize)> {
        Some((self.left.arm()?, self.right.arm()?))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Arm(usize),
    Task(usize),
    Number(f64),
    Relation(Relation),
    Plus,
    Minus,
    Times,
    And,
    On,
    Tasks,
    Average,
}

/// Reads an expectation about `arms` and `tasks`.
pub(super) fn parse(text: &str, arms: &[Arm], tasks: &[Task], place: &Source) -> Result<Expectation, Error> {
    let names =
        Names { arms: names(arms.iter().map(|arm| &arm.name)), tasks: names(tasks.iter().map(|task| &task.name)) };
    let mut reader = Reader { text, tokens: Vec::new(), next: 0, names: &names, place };
    reader.tokenise()?;
    let mut clauses = Vec::new();
    loop {
        clauses.extend(reader.clauses()?);
        match reader.take() {
            None => break,
            Some((Token::And, _)) => {}
            Some((_, at)) => return Err(reader.refuse(at, "`and` or the end should come here")),
        }
    }
    Ok(Expectation { text: text.trim().into(), clauses })
}

/// Names with their places, longest first: an arm may begin as another does.
fn names<'a>(all: impl Iterator<Item = &'a String>) -> Vec<(String, usize)> {
    let mut names: Vec<_> = all.enumerate().map(|(at, name)| (name.clone(), at)).collect();
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    names
}

struct Names {
    arms: Vec<(String, usize)>,
    tasks: Vec<(String, usize)>,
}

struct Reader<'a> {
    text: &'a str,
    tokens: Vec<(Token, std::ops::Range<usize>)>,
    next: usize,
    names: &'a Names,
    place: &'a Source,
}

impl Reader<'_> {
    fn refuse(&self, at: usize, reason: &str) -> Error {
        let arms: Vec<String> = self.names.arms.iter().map(|(name, _)| format!("`{name}`")).collect();
        Error::Study {
            reason: format!(
                "cannot read `expect = \"{}\"`: at letter {}, {reason}",
                visible(self.text),
                self.text[..at].chars().count() + 1
            ),
            remedy: format!(
                "write `a > b` where a is better, or figures: `a >= b - 0.02`, `a < 1.05 * b`; join with `and`; the arms are {}",
                arms.join(", ")
            ),
            place: self.place.clone().into(),
        }
    }

    fn tokenise(&mut self) -> Result<(), Error> {
        const SIGNS: [(&str, Token); 8] = [
            (">=", Token::Relation(Relation::AtLeast)),
            ("<=", Token::Relation(Relation::AtMost)),
            (">", Token::Relation(Relation::Greater)),
            ("<", Token::Relation(Relation::Less)),
            ("~", Token::Relation(Relation::Unclear)),
            ("+", Token::Plus),
            ("-", Token::Minus),
            ("*", Token::Times),
        ];
        let mut at = 0;
        while let Some(start) = self.text[at..].find(|c: char| !c.is_whitespace()).map(|skip| at + skip) {
            let rest = &self.text[start..];
            let named = |names: &[(String, usize)]| {
                names
                    .iter()
                    .find(|(name, _)| rest.starts_with(name.as_str()) && ends_name(&rest[name.len()..]))
                    .cloned()
            };
            let after_on = matches!(self.tokens.last(), Some((Token::On, _)));
            let (token, length) = if let Some((name, task)) = named(&self.names.tasks).filter(|_| after_on) {
                (Token::Task(task), name.len())
            } else if let Some((name, arm)) = named(&self.names.arms).filter(|_| !after_on) {
                (Token::Arm(arm), name.len())
            } else if let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
                (*token, sign.len())
            } else {
                let length = rest.find(|c: char| !c.is_alphanumeric() && !"._".contains(c)).unwrap_or(rest.len());
                let exponent = rest[..length].ends_with(['e', 'E']) && rest[length..].starts_with('-');
                let length = if exponent {
                    let digits = &rest[length + 1..];
                    length + 1 + digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())
                } else {
                    length
                };
                (self.word(start, &rest[..length])?, length)
            };
            at = start + length;
            self.tokens.push((token, start..at));
        }
        Ok(())
    }

    fn word(&self, at: usize, word: &str) -> Result<Token, Error> {
        let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
        match (word, number) {
            ("and", _) => Ok(Token::And),
            ("on", _) => Ok(Token::On),
            ("task" | "tasks", _) => Ok(Token::Tasks),
            ("average", _) => Ok(Token::Average),
            (_, Some(number)) => Ok(Token::Number(number)),
            ("report", None) => Err(self.refuse(
                at,
                "`report` is no comparison: write what the claim says, and `report = true` where no success is expected",
            )),
            _ => {
                let end = self.text[at..].find([' ', '<', '>', '~', '*']).map_or(self.text.len(), |end| at + end);
                let whole = &self.text[at..end.max(at + word.len())];
                let names = self.names.arms.iter().chain(&self.names.tasks).map(|(name, _)| name.as_str());
                let near = suggest(whole, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                Err(self.refuse(at, &format!("`{}` is no arm, task or number{near}", visible(whole))))
            }
        }
    }

    fn take(&mut self) -> Option<(Token, usize)> {
        let found = self.tokens.get(self.next).map(|(token, range)| (*token, range.start));
        self.next += 1;
        found
    }

    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.next).map(|(token, _)| *token)
    }

    fn offset(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |(_, range)| range.start)
    }

    fn end_of_last(&self) -> usize {
        self.tokens[..self.next].last().map_or(0, |(_, range)| range.end)
    }

    /// `a > b > c on t`: one clause for each relation.
    fn clauses(&mut self) -> Result<Vec<Clause>, Error> {
        let mut sides = vec![self.side()?];
        let mut relations = Vec::new();
        while let Some(Token::Relation(relation)) = self.peek() {
            self.next += 1;
            relations.push(relation);
            sides.push(self.side()?);
        }
        if relations.is_empty() {
            return Err(self.refuse(self.offset(), "a relation is missing: `>`, `>=`, `<`, `<=` or `~`"));
        }
        let written: Vec<String> = sides.iter().map(|(_, text)| text.clone()).collect();
        let before = self.end_of_last();
        let on = self.on()?;
        let place = self.text[before..self.end_of_last()].trim_end();
        let clause = |at: usize| Clause {
            text: format!("{} {} {}{place}", written[at], relations[at].sign(), written[at + 1]),
            left: sides[at].0.clone(),
            relation: relations[at],
            right: sides[at + 1].0.clone(),
            on,
        };
        Ok((0..relations.len()).map(clause).collect())
    }

    fn on(&mut self) -> Result<On, Error> {
        if self.peek() != Some(Token::On) {
            return Ok(On::Average);
        }
        self.next += 1;
        match self.take() {
            Some((Token::Task(task), _)) => Ok(On::Task(task)),
            Some((Token::Average, _)) => Ok(On::Average),
            Some((Token::Number(count), at)) => {
                let most = self.names.tasks.len();
                if count.fract() != 0.0 || count < 1.0 || count > most as f64 {
                    return Err(self.refuse(at, &format!("the study has {most} tasks")));
                }
                match self.take() {
                    Some((Token::Tasks, _)) => Ok(On::Tasks(count as usize)),
                    other => Err(self.refuse(other.map_or(self.text.len(), |(_, at)| at), "`tasks` should come here")),
                }
            }
            other => Err(self.refuse(
                other.map_or(self.text.len(), |(_, at)| at),
                "a task, `N tasks` or `average` should come here",
            )),
        }
    }

    fn side(&mut self) -> Result<(Side, String), Error> {
        let start = self.offset();
        let mut side = Side::default();
        let mut sign = 1.0;
        loop {
            self.term(&mut side, sign)?;
            sign = match self.peek() {
                Some(Token::Plus) => 1.0,
                Some(Token::Minus) => -1.0,
                _ => break,
            };
            self.next += 1;
        }
        Ok((side, self.text[start..self.end_of_last()].trim().to_owned()))
    }

    fn term(&mut self, side: &mut Side, sign: f64) -> Result<(), Error> {
        let first = self.take();
        let times = self.peek() == Some(Token::Times);
        match first {
            Some((Token::Number(factor), at)) if times => {
                self.next += 1;
                match self.take() {
                    Some((Token::Arm(arm), _)) => side.terms.push((sign * factor, arm)),
                    _ => return Err(self.refuse(at, "a number times something that is no arm")),
                }
            }
            Some((Token::Arm(arm), at)) if times => {
                self.next += 1;
                match self.take() {
                    Some((Token::Number(factor), _)) => side.terms.push((sign * factor, arm)),
                    _ => return Err(self.refuse(at, "an arm times something that is no number")),
                }
            }
            Some((Token::Number(number), _)) => *side.constant.get_or_insert(0.0) += sign * number,
            Some((Token::Arm(arm), _)) => side.terms.push((sign, arm)),
            Some((_, at)) => return Err(self.refuse(at, "an arm or a number should come here")),
            None => return Err(self.refuse(self.text.len(), "it ends where an arm or a number should come")),
        }
        Ok(())
    }
}

impl Relation {
    /// As it is written.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Unclear => "~",
        }
    }
}

/// Whether a name may end before `rest`: `electra` does not begin `electra-15`.
fn ends_name(rest: &str) -> bool {
    !rest.starts_with(|c: char| c.is_alphanumeric() || "_-.%".contains(c))
}

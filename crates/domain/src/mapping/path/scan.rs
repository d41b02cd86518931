//! What a path may cost, read off its characters before it is parsed.

use crate::fault::Refusal;

use super::{bound, syntax};

/// Brackets and parentheses inside each other: the parser is recursive.
const MAX_DEPTH: usize = 8;
/// Descendant segments (`..`): each further one multiplies the nodes by the depth of the document.
const MAX_DESCENTS: usize = 1;
/// How often one node may be selected through lists of selectors (`[0,1][0,1]` is 4).
const MAX_FAN_OUT: usize = 32;
/// Characters of names and literals that cost as much as a walk, since a filter copies and compares them each time.
const CHARACTERS_PER_WALK: usize = 64;

/// How a path that can select several nodes spreads over a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    /// Where the first segment starts that can select several nodes.
    pub(super) from: usize,
    /// How often one node may be selected.
    pub(super) fan_out: usize,
    /// How often the value may be walked: once for each segment, selector and operand, as often as nodes are repeated.
    pub(super) walks: usize,
    /// Whether a walk may start anew from each node.
    pub(super) descends: bool,
}

/// An open bracket or parenthesis.
#[derive(Debug)]
struct Opened {
    bracket: bool,
    filter: bool,
    selectors: usize,
}

/// A walk over the characters outside of string literals, which finds what a path may cost.
#[derive(Debug)]
pub(super) struct Scan {
    open: Vec<Opened>,
    descents: usize,
    fan_out: usize,
    segment: usize,
    marks: usize,
    plural_from: Option<usize>,
}

impl Scan {
    /// How the path spreads; `None` when it names one node.
    ///
    /// # Errors
    /// What it may not have.
    pub(super) fn of(text: &str) -> Result<Option<Spread>, Refusal> {
        let mut scan = Self { open: Vec::new(), descents: 0, fan_out: 1, segment: 0, marks: 0, plural_from: None };
        let mut characters = text.char_indices();
        let mut previous = '\0';
        while let Some((index, character)) = characters.next() {
            if matches!(character, '\'' | '"') {
                skip_literal(&mut characters, character)?;
            } else {
                if character == '(' {
                    refuse_expressions(&text[..index])?;
                }
                scan.step(index, previous, character)?;
            }
            previous = character;
        }
        if !scan.open.is_empty() {
            return Err(syntax("is not a JSONPath (RFC 9535): a bracket is not closed"));
        }
        let repeats = scan.marks + text.len() / CHARACTERS_PER_WALK;
        Ok(scan.plural_from.map(|from| Spread {
            from,
            fan_out: scan.fan_out,
            walks: repeats.saturating_mul(scan.fan_out),
            descends: scan.descents > 0,
        }))
    }

    fn step(&mut self, index: usize, previous: char, character: char) -> Result<(), Refusal> {
        if matches!(character, '.' | '[' | '(' | ',' | '@' | '=' | '<' | '>') {
            self.marks += 1;
        }
        match character {
            '[' | '(' => self.enter(index, character == '[')?,
            ']' | ')' => self.leave()?,
            '.' if previous == '.' => {
                self.descents += 1;
                self.plural();
            }
            '.' if self.open.is_empty() => self.segment = index,
            '*' | ':' => self.plural(),
            '?' => {
                self.plural();
                if let Some(opened) = self.open.last_mut() {
                    opened.filter = true;
                }
            }
            ',' => {
                if let Some(opened) = self.open.last_mut() {
                    opened.selectors += 1;
                }
                self.plural();
            }
            '$' if self.in_filter() => {
                // It could compare the whole document again with every node.
                return Err(syntax(
                    "a filter may not refer to $: compare members of the same node, such as @.a == @.b",
                ));
            }
            _ => {}
        }
        if self.descents > MAX_DESCENTS {
            return Err(bound("a JSONPath may have one descendant segment (..)"));
        }
        Ok(())
    }

    fn enter(&mut self, index: usize, bracket: bool) -> Result<(), Refusal> {
        if self.open.is_empty() {
            self.segment = index;
        }
        self.open.push(Opened { bracket, filter: false, selectors: 1 });
        if self.open.len() > MAX_DEPTH {
            return Err(bound(format!("a JSONPath may nest brackets {MAX_DEPTH} deep")));
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Refusal> {
        let Some(closed) = self.open.pop() else {
            return Err(syntax("is not a JSONPath (RFC 9535): a bracket is closed that was not opened"));
        };
        if closed.bracket {
            self.fan_out = self.fan_out.saturating_mul(closed.selectors);
        }
        if self.fan_out > MAX_FAN_OUT {
            return Err(bound(format!("a JSONPath may combine at most {MAX_FAN_OUT} listed selectors")));
        }
        Ok(())
    }

    fn plural(&mut self) {
        self.plural_from.get_or_insert(self.segment);
    }

    fn in_filter(&self) -> bool {
        self.open.iter().any(|opened| opened.filter)
    }
}

/// Moves behind the end of a string literal that began with `quote`.
fn skip_literal(characters: &mut std::str::CharIndices<'_>, quote: char) -> Result<(), Refusal> {
    while let Some((_, character)) = characters.next() {
        if character == quote {
            return Ok(());
        }
        if character == '\\' {
            characters.next();
        }
    }
    Err(syntax("is not a JSONPath (RFC 9535): a quoted name is not closed"))
}

/// Refuses a call of the functions that compile a regular expression anew for every node. `before` ends where the
/// arguments begin.
fn refuse_expressions(before: &str) -> Result<(), Refusal> {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let name = before.trim_end().rsplit(|character| !is_name(character)).next().unwrap_or_default();
    if matches!(name, "match" | "search") {
        return Err(syntax(format!(
            "a filter may not use {name}(): list what is wanted (@.a == 'x' || @.a == 'y') or give a range \
             (@.a >= 'x' && @.a < 'y')"
        )));
    }
    Ok(())
}

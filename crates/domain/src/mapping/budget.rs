//! What the mapping of one answer may cost. A configuration of 64 KiB and a body of 10 MiB are each within their
//! bounds and still come to more than a service has, when the one is multiplied by the other: 500 entries that copy the
//! same large member, 500 paths that walk the same large record, one long default in two million records. So whatever
//! an outcome holds is taken from one budget before it is allocated, and whatever is walked before it is walked.

use std::cell::OnceCell;

use serde_json::Value;

/// JSON values that the outcome of one answer may hold: each record, each value in it at whatever depth, each rejection.
pub(super) const MAX_NODES: usize = 2_000_000;
/// Bytes of text that the outcome may hold: names of fields and members, texts, digits, ids, reasons. Four times the
/// largest body, since internal names may be longer than external ones.
pub(super) const MAX_TEXT: usize = 40 * 1024 * 1024;
/// Steps that reading may take. One step is one value, or eight bytes of text, looked at once.
pub(super) const MAX_STEPS: usize = 100_000_000;
/// What it takes to read a number and add it, beside looking at it.
pub(super) const ARITHMETIC: usize = 9;
/// Nodes that one path may have selected at a time: each is a pointer in memory.
pub(super) const MAX_REACH: usize = 16_000_000;

/// The budget does not suffice. Reads as the reason of the one rejection that is left then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Response body is too much to map at once: ask for smaller pages")]
pub(super) struct Exhausted;

/// Why a record is not mapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stop {
    /// The reason to reject this record.
    #[error("{0}")]
    Rejected(String),
    /// Neither this record nor any other.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

impl Stop {
    /// A rejection of the record.
    pub(super) fn rejected(reason: impl Into<String>) -> Self {
        Self::Rejected(reason.into())
    }
}

/// What an outcome holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    nodes: usize,
    text: usize,
}

/// What was used up so far.
#[derive(Debug, Default)]
pub(super) struct Budget {
    held: Held,
    steps: usize,
}

impl Budget {
    /// What is held, to come back to when a record is dropped.
    pub(super) fn held(&self) -> Held {
        self.held
    }

    /// Gives back what was taken since `held`.
    pub(super) fn release_to(&mut self, held: Held) {
        self.held = held;
    }

    /// Takes room for `nodes` values with `text` bytes in them.
    ///
    /// # Errors
    /// `Exhausted`.
    pub(super) fn hold(&mut self, nodes: usize, text: usize) -> Result<(), Exhausted> {
        self.held.nodes = self.held.nodes.saturating_add(nodes);
        self.held.text = self.held.text.saturating_add(text);
        if self.held.nodes > MAX_NODES || self.held.text > MAX_TEXT { Err(Exhausted) } else { Ok(()) }
    }

    /// Takes room for a copy of `value`; stops counting where the room ends.
    ///
    /// # Errors
    /// `Exhausted`.
    pub(super) fn hold_copy(&mut self, value: &Value) -> Result<(), Exhausted> {
        self.hold(1, own_text(value))?;
        each_child(value, |name, child| {
            self.hold(0, name.len())?;
            self.hold_copy(child)
        })
    }

    /// Takes `steps`.
    ///
    /// # Errors
    /// `Exhausted`.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MAX_STEPS { Err(Exhausted) } else { Ok(()) }
    }

    /// Measures `value`, which takes as many steps as it is large.
    ///
    /// # Errors
    /// `Exhausted`, without having walked further.
    pub(super) fn measure(&mut self, value: &Value) -> Result<Extent, Exhausted> {
        let mut extent = Extent::default();
        self.add_to(&mut extent, value, 0, 1)?;
        Ok(extent)
    }

    fn add_to(&mut self, extent: &mut Extent, value: &Value, name: usize, level: usize) -> Result<(), Exhausted> {
        let size = 1 + (name + own_text(value)) / 8;
        self.spend(size)?;
        extent.nodes += 1;
        extent.flat = extent.flat.saturating_add(size);
        extent.nested = extent.nested.saturating_add(size.saturating_mul(level));
        each_child(value, |name, child| self.add_to(extent, child, name.len(), level + 1))
    }
}

/// How large a value is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// The values in it, itself included.
    pub(super) nodes: usize,
    /// The steps that it takes to walk it once.
    pub(super) flat: usize,
    /// The steps that it takes to walk it once from each of its nodes.
    pub(super) nested: usize,
}

/// A value that paths are run over, measured when the first of them needs it.
#[derive(Debug)]
pub(super) struct Root<'a> {
    value: &'a Value,
    extent: OnceCell<Extent>,
}

impl<'a> Root<'a> {
    /// Not measured yet.
    pub(super) fn new(value: &'a Value) -> Self {
        Self { value, extent: OnceCell::new() }
    }

    /// The value.
    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// How large it is.
    ///
    /// # Errors
    /// `Exhausted`.
    pub(super) fn extent(&self, budget: &mut Budget) -> Result<Extent, Exhausted> {
        if let Some(extent) = self.extent.get() {
            return Ok(*extent);
        }
        let measured = budget.measure(self.value)?;
        Ok(*self.extent.get_or_init(|| measured))
    }
}

/// The bytes of a text or the digits of a number.
fn own_text(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Number(number) => number.as_str().len(),
        _ => 0,
    }
}

fn each_child(value: &Value, mut visit: impl FnMut(&str, &Value) -> Result<(), Exhausted>) -> Result<(), Exhausted> {
    match value {
        Value::Array(elements) => elements.iter().try_for_each(|element| visit("", element)),
        Value::Object(members) => members.iter().try_for_each(|(name, member)| visit(name, member)),
        _ => Ok(()),
    }
}

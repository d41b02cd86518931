//! Keyset pages: a list goes on behind the last row that was shown, never at an offset.

/// How many rows one page holds: 1 to 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u16);

impl PageSize {
    /// The most rows that one page holds.
    pub const MAX: u16 = 200;

    /// A size of at least 1; a larger one than [`Self::MAX`] is coerced to it.
    #[must_use]
    pub fn new(rows: u64) -> Option<Self> {
        match u16::try_from(rows) {
            Ok(0) => None,
            Ok(rows) if rows <= Self::MAX => Some(Self(rows)),
            _ => Some(Self(Self::MAX)),
        }
    }

    /// The number of rows.
    #[must_use]
    pub const fn rows(self) -> u16 {
        self.0
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(50)
    }
}

/// Which part of a list is asked for. `P` is the position of a row in the list's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<P> {
    /// The most rows wanted.
    pub size: PageSize,
    /// Go on behind this row; from the start without one.
    pub after: Option<P>,
}

impl<P> Default for PageRequest<P> {
    fn default() -> Self {
        Self { size: PageSize::default(), after: None }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, P> {
    /// The rows, in the list's order.
    pub items: Vec<T>,
    /// Where the next page goes on; `None` when this is the last one.
    pub next: Option<P>,
}

impl<T, P> Page<T, P> {
    /// Makes a page of rows of which one more than `size` was asked for, to know whether more follow.
    pub fn of(mut rows: Vec<T>, size: PageSize, position: impl Fn(&T) -> P) -> Self {
        let wanted = usize::from(size.rows());
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        let next = if more { rows.last().map(position) } else { None };
        Self { items: rows, next }
    }
}

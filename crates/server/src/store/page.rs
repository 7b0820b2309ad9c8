//! Pages of a list, by key.

/// Which part of a list is wanted. Lists are ordered by their key; a page starts behind a key, so that a
/// page costs the same wherever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The `next` of the page before; `None` for the first.
    pub after: Option<String>,
    /// Most items wanted; a store gives at most [`Page::LIMIT_MAX`].
    pub limit: u32,
}

impl Page {
    /// The most items of one page.
    pub const LIMIT_MAX: u32 = 1000;
    /// The first page with at most `limit` items.
    pub const fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }
    /// Behind the cursor `after`.
    pub const fn behind(after: Option<String>, limit: u32) -> Self {
        Self { after, limit }
    }
    /// The number of items that the store gives, 1 to [`Page::LIMIT_MAX`].
    pub const fn size(&self) -> usize {
        let limit = if self.limit > Self::LIMIT_MAX { Self::LIMIT_MAX } else { self.limit };
        if limit == 0 { 1 } else { limit as usize }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOf<T> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// Where the next page starts; `None` when this is the last.
    pub next: Option<String>,
}

impl<T> PageOf<T> {
    /// Makes a page of `size` from up to `size + 1` items: the one too many says that there is more.
    pub fn cut(mut items: Vec<T>, size: usize, key: impl Fn(&T) -> String) -> Self {
        let more = items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(key);
        Self { items, next }
    }
    /// The same page with every item changed by `f`.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> PageOf<U> {
        PageOf { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}

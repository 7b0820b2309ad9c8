//! Large objects: a value in several chunks (OMA-TS-DM_Protocol 1.2, 7; protocols.md 1.7).

use super::code;
use super::message::{Item, Meta};
use super::write::escaped_len;
use std::borrow::Cow;

/// What became of an item that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Not a chunk: use the item as it is.
    Whole,
    /// A chunk that is kept (status 213); more is to come.
    Buffered,
    /// The last chunk: this is the object, `Size` and all.
    Complete(Box<Item<'static>>),
    /// The object is given up with this status.
    Refused(u16),
}

/// Puts the chunks of one object at a time together.
#[derive(Debug)]
pub struct Assembler {
    object_bytes_max: usize,
    open: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    uri: String,
    item: Item<'static>,
    size: u64,
    data: String,
}

impl Assembler {
    /// One that refuses objects of more than `object_bytes_max` bytes.
    pub const fn new(object_bytes_max: usize) -> Self {
        Self { object_bytes_max, open: None }
    }

    /// Waits for further chunks.
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// If `item` does not go on with the object that is open, drops that object and names it: the
    /// sender is told with alert 1225.
    pub fn interrupted_by(&mut self, item: &Item<'_>) -> Option<String> {
        let uri = uri_of(item);
        let partial = self.open.take_if(|open| open.uri != uri || item.meta.size.is_some())?;
        Some(partial.uri)
    }

    /// Takes an item. Call [`Assembler::interrupted_by`] before.
    pub fn take(&mut self, item: &Item<'_>) -> Taken {
        let data = item.data.as_deref().unwrap_or_default();
        if self.open.is_none() {
            if !item.more_data {
                return Taken::Whole;
            }
            let Some(size) = item.meta.size else {
                return Taken::Refused(code::SIZE_REQUIRED);
            };
            if usize::try_from(size).is_ok_and(|size| size <= self.object_bytes_max) {
                self.open =
                    Some(Partial { uri: uri_of(item).to_owned(), item: without_data(item), size, data: String::new() });
            } else {
                return Taken::Refused(code::TOO_LARGE);
            }
        }
        let Some(open) = &mut self.open else {
            return Taken::Whole;
        };
        let length = u64::try_from(open.data.len().saturating_add(data.len())).unwrap_or(u64::MAX);
        if length > open.size || (!item.more_data && length != open.size) {
            self.open = None;
            return Taken::Refused(code::SIZE_MISMATCH);
        }
        open.data.push_str(data);
        if item.more_data {
            return Taken::Buffered;
        }
        match self.open.take() {
            Some(Partial { item, data, .. }) => {
                Taken::Complete(Box::new(Item { data: Some(Cow::Owned(data)), ..item }))
            }
            None => Taken::Whole,
        }
    }
}

/// Splits an item: as much of its data as takes `bytes` in a document in the first part, which then says `MoreData`, the rest
/// in the second. `first` puts the size of the whole beside it. `None` when it needs no splitting.
pub(super) fn split(item: &Item<'static>, bytes: usize, first: bool) -> Option<(Item<'static>, Item<'static>)> {
    let data = item.data.as_deref()?;
    let mut room = bytes;
    let at = data
        .char_indices()
        .find_map(|(at, c)| match room.checked_sub(escaped_len(c)) {
            Some(left) => {
                room = left;
                None
            }
            None => Some(at),
        })
        .filter(|at| *at > 0)?;
    let (now, later) = data.split_at_checked(at)?;
    let mut chunk = Item { data: Some(Cow::Owned(now.to_owned())), more_data: true, ..item.clone() };
    if first {
        chunk.meta.size = u64::try_from(data.len()).ok();
    }
    let rest = Item {
        data: Some(Cow::Owned(later.to_owned())),
        meta: Meta { size: None, ..item.meta.clone() },
        ..item.clone()
    };
    Some((chunk, rest))
}

fn uri_of<'i>(item: &'i Item<'_>) -> &'i str {
    item.target.as_deref().or(item.source.as_deref()).unwrap_or_default()
}

fn without_data(item: &Item<'_>) -> Item<'static> {
    let own = |text: &Option<Cow<'_, str>>| text.as_deref().map(|text| Cow::Owned(text.to_owned()));
    Item {
        target: own(&item.target),
        source: own(&item.source),
        meta: Meta {
            format: own(&item.meta.format),
            kind: own(&item.meta.kind),
            size: item.meta.size,
            ..Meta::default()
        },
        data: None,
        more_data: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(data: &'static str, size: Option<u64>, more_data: bool) -> Item<'static> {
        Item {
            target: Some("./a".into()),
            meta: Meta { size, ..Meta::default() },
            data: Some(data.into()),
            more_data,
            ..Item::default()
        }
    }

    #[test]
    fn chunks_become_the_object() {
        let mut assembler = Assembler::new(100);
        assert_eq!(assembler.take(&chunk("alone", None, false)), Taken::Whole);
        assert_eq!(assembler.take(&chunk("abc", Some(7), true)), Taken::Buffered);
        assert_eq!(assembler.take(&chunk("de", None, true)), Taken::Buffered);
        let Taken::Complete(item) = assembler.take(&chunk("fg", None, false)) else { panic!("complete") };
        assert_eq!((item.data.as_deref(), item.meta.size, item.more_data), (Some("abcdefg"), Some(7), false));
        assert!(!assembler.is_open());
    }

    #[test]
    fn sizes_that_are_missing_wrong_or_too_large_are_refused() {
        let mut assembler = Assembler::new(10);
        assert_eq!(assembler.take(&chunk("a", None, true)), Taken::Refused(code::SIZE_REQUIRED));
        assert_eq!(assembler.take(&chunk("a", Some(11), true)), Taken::Refused(code::TOO_LARGE));
        assert_eq!(assembler.take(&chunk("a", Some(3), true)), Taken::Buffered);
        assert_eq!(assembler.take(&chunk("b", None, false)), Taken::Refused(code::SIZE_MISMATCH));
        assert_eq!(assembler.take(&chunk("abc", Some(3), true)), Taken::Buffered);
        assert_eq!(assembler.take(&chunk("d", None, true)), Taken::Refused(code::SIZE_MISMATCH));
        assert!(!assembler.is_open());
    }

    #[test]
    fn another_object_before_the_end_is_noticed() {
        let mut assembler = Assembler::new(10);
        assert_eq!(assembler.take(&chunk("a", Some(3), true)), Taken::Buffered);
        assert_eq!(assembler.interrupted_by(&chunk("b", None, true)), None);
        let other = Item { target: Some("./b".into()), ..Item::default() };
        assert_eq!(assembler.interrupted_by(&other).as_deref(), Some("./a"));
        assert!(!assembler.is_open());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn assembling_undoes_splitting(data in "\\PC{1,60}", bytes in 6usize..20) {
            let mut assembler = Assembler::new(1000);
            let whole = Item { source: Some("./s".into()), data: Some(Cow::Owned(data.clone())), ..Item::default() };
            let mut rest = whole.clone();
            let mut first = true;
            while let Some((now, later)) = split(&rest, bytes, first) {
                prop_assert_eq!(assembler.interrupted_by(&now), None);
                prop_assert_eq!(assembler.take(&now), Taken::Buffered);
                rest = later;
                first = false;
            }
            match assembler.take(&rest) {
                Taken::Whole => prop_assert!(first),
                Taken::Complete(item) => prop_assert_eq!(item.data, whole.data),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}

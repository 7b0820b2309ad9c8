//! Channels by which people are told of reads (docs/notifications.md).

use super::World;
use server::store::*;

fn new(w: &mut World, name: &str) -> NewChannel {
    NewChannel { id: w.bytes16(), name: name.into(), settings: "{}".into(), everything: false }
}

async fn create(w: &mut World, new: NewChannel) -> Result<(), StoreError> {
    let entry = w.entry();
    w.store.create_channel(new, w.now, entry).await
}

/// Names are unique without case; a channel begins behind its own record; there are not too many.
pub async fn a_channel_begins_behind_its_record(mut w: World) {
    let one = new(&mut w, "Hook");
    create(&mut w, one.clone()).await.unwrap();
    let twin = new(&mut w, "hOOK");
    assert_eq!(create(&mut w, twin).await, Err(StoreError::Exists("channel")));
    let found = w.store.channels().await.unwrap();
    assert_eq!((found.len(), &found[0].channel), (1, &one));
    assert_eq!(found[0].position, w.store.audit_heads().await.unwrap()[0].sequence);
    for number in 1..CHANNELS_MAX {
        let another = new(&mut w, &format!("a{number:02}"));
        create(&mut w, another).await.unwrap();
    }
    let over = new(&mut w, "over");
    assert!(matches!(create(&mut w, over).await, Err(StoreError::InUse(_))));
    let names: Vec<String> = w.store.channels().await.unwrap().into_iter().map(|one| one.channel.name).collect();
    assert!(names.is_sorted_by_key(|name| name.to_lowercase()));
    let (entry, again) = (w.entry(), w.entry());
    w.store.delete_channel(one.id, entry).await.unwrap();
    assert_eq!(w.store.delete_channel(one.id, again).await, Err(StoreError::NotFound("channel")));
    w.finish().await;
}

/// A paused channel keeps its place and what it failed with; resumed, it is tried at once. Only a change is recorded.
pub async fn a_channel_is_paused_and_resumed(mut w: World) {
    let one = new(&mut w, "hook");
    create(&mut w, one.clone()).await.unwrap();
    let from = w.store.channels().await.unwrap()[0].position;
    let failed = ChannelProgress::Failed { error: "refused".into(), retry_at: w.now.plus_seconds(30) };
    w.store.advance_channel(one.id, from, from + 1, failed).await.unwrap();
    let records = w.records().await;
    for (paused, changes) in [(false, false), (true, true), (true, false), (false, true)] {
        let entry = w.entry();
        assert_eq!(w.store.pause_channel(one.id, paused, entry).await, Ok(changes));
        let found = w.store.channels().await.unwrap().remove(0);
        assert_eq!((found.paused, found.position, found.failures), (paused, from + 1, 1));
    }
    assert_eq!(w.records().await, records + 2);
    assert_eq!(w.store.channels().await.unwrap()[0].retry_at, None);
    let entry = w.entry();
    assert_eq!(w.store.pause_channel([1; 16], true, entry).await, Err(StoreError::NotFound("channel")));
    w.finish().await;
}

/// Two who deliver do not overtake each other; a failure is kept until the channel was told.
pub async fn a_channel_goes_on_from_where_it_is(mut w: World) {
    let one = new(&mut w, "hook");
    create(&mut w, one.clone()).await.unwrap();
    let from = w.store.channels().await.unwrap()[0].position;
    let told = ChannelProgress::Told { at: Some(w.now) };
    assert_eq!(w.store.advance_channel(one.id, from, from + 3, told.clone()).await, Ok(true));
    assert_eq!(w.store.advance_channel(one.id, from, from + 9, told.clone()).await, Ok(false), "somebody else did");
    let retry_at = w.now.plus_seconds(30);
    let failed = ChannelProgress::Failed { error: "refused".into(), retry_at };
    for _ in 0..2 {
        assert_eq!(w.store.advance_channel(one.id, from + 3, from + 3, failed.clone()).await, Ok(true));
    }
    let found = w.store.channels().await.unwrap().remove(0);
    assert_eq!((found.failures, found.retry_at, found.last_error.as_deref()), (2, Some(retry_at), Some("refused")));
    assert_eq!(w.store.advance_channel(one.id, from + 3, from + 5, ChannelProgress::Dropped(2)).await, Ok(true));
    let found = w.store.channels().await.unwrap().remove(0);
    assert_eq!((found.position, found.dropped, found.failures), (from + 5, 2, 2));
    let quiet = ChannelProgress::Told { at: None };
    assert_eq!(w.store.advance_channel(one.id, from + 5, from + 6, quiet).await, Ok(true));
    let found = w.store.channels().await.unwrap().remove(0);
    assert_eq!((found.failures, found.retry_at, found.last_error, found.delivered_at), (0, None, None, Some(w.now)));
    assert_eq!(w.store.advance_channel([1; 16], 0, 1, told).await, Ok(false));
    w.finish().await;
}

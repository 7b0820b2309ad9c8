//! The survey tells of many devices what the other verbs tell of one.

use super::World;
use laps::id::DeviceId;
use server::store::*;

fn all(w: &World) -> SurveyFilter {
    SurveyFilter { device: None, until: None, groups: None, met_since: w.now.minus_ticks(u64::MAX) }
}

async fn of(w: &World, device: DeviceId) -> Surveyed {
    let filter = SurveyFilter { device: Some(device), ..all(w) };
    w.store.survey(filter, Page::first(1)).await.unwrap().items.remove(0)
}

/// Device, versions, report, delivery, hold, certificate and requests.
pub async fn a_survey_tells_what_the_verbs_tell(mut w: World) {
    let (device, quiet) = (w.device().await, w.device().await);
    w.request(device).await.unwrap();
    w.pass_hours(1);
    let installed = w.rotated(device).await;
    w.pass_hours(1);
    w.stored(device).await;
    let truth = Report { last_error: Some("{}".into()), ..w.truth(device, Some(installed)).await };
    w.report(truth).await.unwrap();
    let new = NewDelivery { device, digest: w.bytes32(), values: "{\"settings\":{}}".into() };
    let sent = w.store.record_delivery(new, w.now).await.unwrap();
    let statuses = [("./A", 200), ("./B", 500)].map(|(uri, status)| SettingStatus { uri: uri.into(), status });
    w.store.answer_delivery(device, sent.sequence, statuses.to_vec(), false, w.now).await.unwrap();
    w.store.hold_delivery(device, "[\"B\"]".into()).await.unwrap();

    let surveyed = of(&w, device).await;
    let versions = w.store.versions(device, false).await.unwrap();
    let current = versions.iter().find(|version| version.state == VersionState::Current).unwrap();
    let expected =
        SurveyedVersion { stored_at: current.stored_at, proven_at: current.proven_at, expires_at: current.expires_at };
    assert_eq!(surveyed.device, w.row(device).await);
    assert_eq!((surveyed.current, surveyed.pending_since), (Some(expected), Some(w.now)));
    assert_eq!(surveyed.report, w.store.last_report(device).await.unwrap().map(SurveyedReport::from));
    assert_eq!(surveyed.held.as_deref(), Some("[\"B\"]"));
    let told = surveyed.sent.unwrap();
    assert_eq!((told.digest, &*told.values, told.answered_at), (sent.digest, sent.values.as_str(), Some(w.now)));
    assert_eq!((&*told.refused, surveyed.in_force), (&[("./B".to_owned(), 500)][..], None));
    let newest = w.store.certificates(device).await.unwrap().remove(0);
    assert_eq!(surveyed.certificate, Some((newest.not_after, newest.revoked_at)));
    let asked = current.stored_at.minus_ticks(3_600 * 10_000_000);
    assert_eq!(surveyed.rotations, [(asked, current.proven_at.unwrap())]);

    let silent = of(&w, quiet).await;
    assert_eq!((silent.current, silent.report, silent.sent, silent.held), (None, None, None, None));
    w.finish().await;
}

/// Page by page, within the scope; tombstones only when they are asked for by id.
pub async fn a_survey_pages_within_its_scope(mut w: World) {
    let devices = [w.device().await, w.device().await, w.device().await, w.device().await];
    let group = w.group("mine").await;
    for device in [devices[0], devices[2]] {
        w.store.note_seen(device, w.now);
        let entry = w.entry();
        w.store.add_member(group, device, entry).await.unwrap();
        w.rotated(device).await;
    }
    w.store.flush_seen().await.unwrap();
    w.change(devices[3], DeviceChange::Delete).await.unwrap();
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = w.store.survey(all(&w), Page::behind(after, 2)).await.unwrap();
        seen.extend(page.items.iter().map(|of| (of.device.id, of.current.is_some())));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [(devices[0], true), (devices[1], false), (devices[2], true)]);
    let scoped = SurveyFilter { groups: Some(vec![group]), ..all(&w) };
    let page = w.store.survey(scoped, Page::first(10)).await.unwrap();
    assert_eq!(page.items.iter().map(|of| of.device.id).collect::<Vec<_>>(), [devices[0], devices[2]]);
    for one in page.items {
        assert_eq!(one.device, w.row(one.device.id).await, "with its groups and its last contact");
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let part = SurveyFilter { until: Some(devices[1]), ..all(&w) };
        let page = w.store.survey(part, Page::behind(after, 1)).await.unwrap();
        seen.extend(page.items.iter().map(|of| of.device.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [devices[0], devices[1]], "up to an id, itself included, and no further page");
    assert_eq!(of(&w, devices[3]).await.device.state, DeviceState::Deleted);
    w.finish().await;
}

/// A request that is closed is no longer open, is not met by a later proof, and says why.
pub async fn a_closed_request_is_over(mut w: World) {
    let device = w.device().await;
    let asked = w.request(device).await.unwrap().request.sequence;
    let entry = w.entry();
    assert_eq!(w.store.close_requests(device, "in_active_directory", w.now, entry).await, Ok(1));
    let records = w.records().await;
    let entry = w.entry();
    assert_eq!(w.store.close_requests(device, "in_active_directory", w.now, entry).await, Ok(0), "again is nothing");
    assert_eq!(w.records().await, records);
    let listed = w.store.rotation_requests(device).await.unwrap();
    assert_eq!(listed[0].closed, Some((w.now, "in_active_directory".into())));
    assert_eq!(w.store.counts().await.unwrap().rotations_open, 0);
    let version = w.stored(device).await;
    assert_eq!(w.prove(device, version).await.unwrap().requests_met, Vec::<u64>::new());
    let truth = w.truth(device, Some(version)).await;
    assert_eq!(w.report(truth).await.unwrap().rotate, None);
    let again = w.request(device).await.unwrap();
    assert!(!again.again && again.request.sequence > asked, "a new one is another one");
    w.finish().await;
}

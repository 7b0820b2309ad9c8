//! Campaigns: rotations of many devices, and what a person was given (rotation.md 2, end; docs/revoke.md).

use super::World;
use laps::id::{CampaignId, DeviceId, PrincipalId};
use server::{
    audit::{Actor, AuditEntry},
    store::*,
};

impl World {
    /// Makes a campaign.
    async fn campaign(&mut self, kind: CampaignKind) -> CampaignId {
        let id = CampaignId::from_bytes(self.bytes16());
        let by = Actor::User(self.admin, "admin".into());
        let new = NewCampaign { id, kind, by, reason: "a test".into(), selector: "{}".into() };
        let entry = self.entry();
        let made = self.store.create_campaign(new.clone(), self.now, entry).await.unwrap();
        assert_eq!((made.new, made.counts.total(), made.place), (new, 0, None));
        id
    }

    /// Makes one and takes these devices in.
    async fn gathered(&mut self, kind: CampaignKind, chosen: &[(DeviceId, Option<u64>)]) -> CampaignId {
        let id = self.campaign(kind).await;
        let chosen = chosen.iter().map(|(device, exposed)| Chosen { device: *device, exposed: *exposed }).collect();
        self.store.gather_campaign(id, chosen, None, None, self.now).await.unwrap();
        id
    }

    /// Asks devices.
    async fn ask(&mut self, id: CampaignId, devices: &[DeviceId]) -> u64 {
        let mut asked = Vec::new();
        for device in devices {
            asked.push(Ask { device: *device, refused: None, audit: self.entry() });
        }
        self.store.ask_campaign(id, asked, self.now).await.unwrap()
    }

    async fn called_off(&mut self, id: CampaignId, devices: &[DeviceId]) -> Result<u64, StoreError> {
        let mut off = Vec::new();
        for device in devices {
            off.push(CallOff { device: *device, audit: self.entry() });
        }
        self.store.call_off(id, off, self.now).await
    }

    async fn state_in(&self, id: CampaignId, device: DeviceId) -> (CampaignState, Option<String>) {
        let all = self.store.campaign_devices(id, None, Page::first(100)).await.unwrap().items;
        let found = all.into_iter().find(|one| one.chosen.device == device).unwrap();
        (found.state, found.reason)
    }

    async fn complete(&mut self, id: CampaignId) -> bool {
        let entry = self.entry();
        self.store.complete_campaign(id, self.now, entry).await.unwrap()
    }

    /// `reveal` by somebody, with a record in that name.
    async fn read_by(&mut self, reader: PrincipalId, device: DeviceId) -> u64 {
        let epoch = self.epoch(reader).await;
        let device_revision = self.row(device).await.revision;
        let entry = AuditEntry { actor: Actor::User(reader, "mallory".into()), ..self.entry() };
        let reveal =
            Reveal { device, device_revision, principal: reader, epoch, reading: Reading::default(), history: true };
        self.store.reveal(reveal, entry).await.unwrap();
        self.records().await
    }

    async fn exposed_to(&self, filter: ExposureFilter) -> Vec<(DeviceId, Option<u64>)> {
        let page = self.store.exposures(filter, Page::first(100)).await.unwrap();
        page.items.into_iter().map(|one| (one.device, one.exposed)).collect()
    }
}

fn reads_of(reader: PrincipalId) -> ExposureFilter {
    ExposureFilter { readers: vec![reader], up_to: u64::MAX, ..ExposureFilter::default() }
}

/// rotation.md 2: a campaign's request is met only by the proof of a version stored after it; the campaign ends
/// when the last is met, once.
pub async fn a_campaign_is_met_by_later_proofs_only(mut w: World) {
    let (here, away) = (w.device().await, w.device().await);
    let before = w.stored(here).await;
    let id = w.gathered(CampaignKind::Devices, &[(here, None), (away, None)]).await;
    assert_eq!(w.state_in(id, here).await.0, CampaignState::Waiting);
    assert_eq!(w.ask(id, &[here, away]).await, 2);
    assert_eq!(w.ask(id, &[here, away]).await, 0, "nobody waits any more");
    w.prove(here, before).await.unwrap();
    assert_eq!(w.state_in(id, here).await.0, CampaignState::Requested, "it was stored before the request");
    let after = w.stored(here).await;
    assert_eq!(w.state_in(id, here).await.0, CampaignState::Requested, "a stored version is not a proven one");
    w.pass_hours(1);
    w.prove(here, after).await.unwrap();
    let devices = w.store.campaign_devices(id, Some(CampaignState::Proven), Page::first(10)).await.unwrap().items;
    assert_eq!(devices.len(), 1);
    assert_eq!(
        (devices[0].met_by, devices[0].changed_at, devices[0].name.clone()),
        (Some(after), w.now, w.row(here).await.name)
    );
    assert!(!w.complete(id).await, "one is away");
    assert_eq!(w.store.open_campaigns().await.unwrap().len(), 1);
    w.rotated(away).await;
    let records = w.records().await;
    assert!(w.complete(id).await);
    assert!(!w.complete(id).await);
    assert_eq!(w.records().await, records + 1, "one record of the end");
    let ended = w.store.campaign(id).await.unwrap().unwrap();
    assert_eq!((ended.completed_at, ended.counts.of(CampaignState::Proven)), (Some(w.now), 2));
    assert_eq!(w.store.open_campaigns().await, Ok(vec![]));
    w.finish().await;
}

/// Requests coalesce with those of persons, and each is recorded once.
pub async fn a_campaign_shares_an_open_request(mut w: World) {
    let device = w.device().await;
    let asked = w.request(device).await.unwrap();
    let id = w.gathered(CampaignKind::Devices, &[(device, None)]).await;
    let records = w.records().await;
    w.ask(id, &[device]).await;
    assert_eq!(w.records().await, records);
    let found = w.store.campaign_devices(id, None, Page::first(10)).await.unwrap().items;
    assert_eq!(found[0].request, Some(asked.request.sequence));
    w.finish().await;
}

/// Devices that cannot be asked are listed with why; one that comes back is asked, and its campaign is open again.
pub async fn who_cannot_be_asked_is_listed(mut w: World) {
    let (disabled, deleted, ad, fine) = (w.device().await, w.device().await, w.device().await, w.device().await);
    w.change(disabled, DeviceChange::Disable).await.unwrap();
    w.change(deleted, DeviceChange::Delete).await.unwrap();
    let all = [(disabled, None), (deleted, None), (ad, None), (fine, None)];
    let id = w.gathered(CampaignKind::Group, &all).await;
    let mut asked = Vec::new();
    for (device, _) in all {
        let refused = (device == ad).then(|| "backup_in_active_directory".to_owned());
        asked.push(Ask { device, refused, audit: w.entry() });
    }
    assert_eq!(w.store.ask_campaign(id, asked, w.now).await, Ok(1));
    let reason = |code: &str| Some(code.to_owned());
    assert_eq!(w.state_in(id, disabled).await, (CampaignState::Refused, reason(REFUSED_DISABLED)));
    assert_eq!(w.state_in(id, deleted).await, (CampaignState::Gone, reason(GONE_DELETED)));
    assert_eq!(w.state_in(id, ad).await, (CampaignState::Refused, reason("backup_in_active_directory")));
    // One that was asked is disabled meanwhile: the campaign can end without it.
    w.change(fine, DeviceChange::Disable).await.unwrap();
    assert!(!w.complete(id).await);
    assert_eq!(w.store.review_campaign(id, None, 100, w.now).await, Ok(None));
    assert_eq!(w.state_in(id, fine).await, (CampaignState::Refused, reason(REFUSED_DISABLED)));
    assert!(w.complete(id).await);
    // They come back.
    w.change(disabled, DeviceChange::Enable).await.unwrap();
    w.change(deleted, DeviceChange::Restore).await.unwrap();
    assert_eq!(w.store.review_campaign(id, None, 100, w.now).await, Ok(None));
    assert_eq!(w.state_in(id, disabled).await, (CampaignState::Waiting, None));
    let open = w.store.campaign(id).await.unwrap().unwrap();
    assert_eq!((open.completed_at, open.counts.open()), (None, 2));
    assert_eq!(w.state_in(id, ad).await.0, CampaignState::Refused, "nothing about that one changed");
    w.finish().await;
}

/// What the audit log says that somebody was given: every version of every record, between two times, pending ones
/// included, and nothing that others read.
pub async fn exposures_are_what_the_log_names(mut w: World) {
    let mallory = w.user("mallory").await;
    let (one, two, other) = (w.device().await, w.device().await, w.device().await);
    w.rotated(one).await;
    w.rotated(two).await;
    w.rotated(other).await;
    let start = w.now;
    w.read_by(mallory, one).await;
    w.pass_hours(1);
    let middle = w.now;
    let pending = w.version(two);
    let sequence = w.put(pending).await.unwrap().sequence;
    w.read_by(mallory, two).await;
    w.reveal(other, true).await.unwrap();
    w.pass_hours(1);
    // Stored after the read: not disclosed.
    w.stored(two).await;
    let all = w.exposed_to(reads_of(mallory)).await;
    assert_eq!(all.iter().map(|(device, _)| *device).collect::<Vec<_>>(), [one, two]);
    assert_eq!(all[1].1, Some(sequence));
    let early = ExposureFilter { from: Some(start), until: Some(middle), ..reads_of(mallory) };
    assert_eq!(w.exposed_to(early).await, [all[0]]);
    let late = ExposureFilter { from: Some(middle), ..reads_of(mallory) };
    assert_eq!(w.exposed_to(late).await, [all[1]]);
    let before = ExposureFilter { up_to: 0, ..reads_of(mallory) };
    assert_eq!(w.exposed_to(before).await, []);
    // Page by page, each of whole records.
    let first = w.store.exposures(reads_of(mallory), Page::first(1)).await.unwrap();
    assert_eq!(first.items.len(), 1);
    let second = w.store.exposures(reads_of(mallory), Page::behind(first.next, 1)).await.unwrap();
    assert_eq!((second.items[0].device, second.next), (two, None));
    assert_eq!(w.store.readers("MALLORY".into()).await, Ok(vec![mallory]));
    assert_eq!(w.store.readers("nobody".into()).await, Ok(vec![]));
    w.finish().await;
}

/// A revocation asks exactly those of which something that was disclosed may still open them.
pub async fn a_revocation_asks_whom_it_must(mut w: World) {
    let mallory = w.user("mallory").await;
    let (safe, open, halfway) = (w.device().await, w.device().await, w.device().await);
    for device in [safe, open, halfway] {
        w.rotated(device).await;
        w.read_by(mallory, device).await;
    }
    // Rotated since, by itself; and one that is in the middle of it.
    w.rotated(safe).await;
    let middle = w.stored(halfway).await;
    let chosen: Vec<_> = w.exposed_to(reads_of(mallory)).await;
    assert_eq!(chosen.len(), 3);
    let id = w.gathered(CampaignKind::Revoke, &chosen).await;
    assert_eq!(w.ask(id, &[safe, open, halfway]).await, 2);
    assert_eq!(w.state_in(id, safe).await, (CampaignState::Safe, Some(SAFE_SUPERSEDED.into())));
    // What was stored before the request and not disclosed is not taken for an answer either: rotation.md 2.
    w.prove(halfway, middle).await.unwrap();
    assert_eq!(w.state_in(id, halfway).await.0, CampaignState::Requested);
    w.rotated(halfway).await;
    w.rotated(open).await;
    assert!(w.complete(id).await);
    w.finish().await;
}

/// A pending version that was disclosed counts as disclosed: its own proof makes nothing safe.
pub async fn a_disclosed_pending_version_is_not_safe(mut w: World) {
    let mallory = w.user("mallory").await;
    let device = w.device().await;
    w.rotated(device).await;
    let pending = w.stored(device).await;
    w.read_by(mallory, device).await;
    w.prove(device, pending).await.unwrap();
    let chosen = w.exposed_to(reads_of(mallory)).await;
    let id = w.gathered(CampaignKind::Revoke, &chosen).await;
    assert_eq!(w.ask(id, &[device]).await, 1);
    w.rotated(device).await;
    assert_eq!(w.state_in(id, device).await.0, CampaignState::Proven);
    w.finish().await;
}

/// Machines that joined again are asked by their new object; accounts that policy has left cannot be.
pub async fn a_revocation_follows_the_machine(mut w: World) {
    let mallory = w.user("mallory").await;
    let old = w.device().await;
    w.rotated(old).await;
    w.read_by(mallory, old).await;
    let new = w.successor(old).await;
    let chosen = w.exposed_to(reads_of(mallory)).await;
    assert_eq!(chosen.iter().map(|(device, _)| *device).collect::<Vec<_>>(), [new]);
    let id = w.gathered(CampaignKind::Revoke, &chosen).await;
    assert_eq!(w.ask(id, &[new]).await, 1, "its predecessor's password still opens it");
    w.rotated(new).await;
    assert_eq!(w.state_in(id, new).await.0, CampaignState::Proven);
    // An account that is no longer managed.
    let left = w.device().await;
    w.rotated(left).await;
    w.read_by(mallory, left).await;
    let entry = w.entry();
    w.store.release(left, w.now, entry).await.unwrap();
    let chosen = w.exposed_to(reads_of(mallory)).await;
    let id = w.gathered(CampaignKind::Revoke, &chosen).await;
    w.ask(id, &[new, left]).await;
    assert_eq!(w.state_in(id, left).await, (CampaignState::Refused, Some(REFUSED_RELEASED.into())));
    assert_eq!(w.state_in(id, new).await.0, CampaignState::Safe);
    w.finish().await;
}

/// Gathering goes on from its place, and a step that comes twice changes nothing.
pub async fn gathering_goes_on_from_its_place(mut w: World) {
    let (one, two) = (w.device().await, w.device().await);
    let id = w.campaign(CampaignKind::Revoke).await;
    let chosen = |device, exposed| vec![Chosen { device, exposed: Some(exposed) }];
    let place = Some("1".to_owned());
    w.store.gather_campaign(id, chosen(one, 7), None, place.clone(), w.now).await.unwrap();
    let again = w.store.gather_campaign(id, chosen(one, 7), None, place.clone(), w.now).await;
    assert_eq!(again, Err(StoreError::Changed));
    assert!(!w.complete(id).await, "not all is gathered");
    // The same device in a later record, and one that is not there.
    let unknown = DeviceId::from_bytes(w.bytes16());
    let mut rest = chosen(one, 9);
    rest.extend(chosen(one, 8));
    rest.extend(chosen(two, 3));
    rest.extend(chosen(unknown, 3));
    w.store.gather_campaign(id, rest, place, None, w.now).await.unwrap();
    let devices = w.store.campaign_devices(id, None, Page::first(10)).await.unwrap().items;
    let exposed: Vec<_> = devices.iter().map(|device| (device.chosen.device, device.chosen.exposed)).collect();
    assert_eq!(exposed, [(one, Some(9)), (two, Some(3))]);
    let after = w.store.gather_campaign(id, vec![], None, None, w.now).await;
    assert_eq!(after, Err(StoreError::Changed), "it is gathered");
    // Newest first, and by whom.
    let later = w.campaign(CampaignKind::All).await;
    let found = w.store.campaigns(None, Page::first(1)).await.unwrap();
    assert_eq!(found.items[0].new.id, later);
    let rest = w.store.campaigns(Some(w.admin), Page::behind(found.next, 10)).await.unwrap();
    assert_eq!(rest.items.iter().map(|campaign| campaign.new.id).collect::<Vec<_>>(), [id]);
    let nobody = PrincipalId::from_bytes(w.bytes16());
    assert_eq!(w.store.campaigns(Some(nobody), Page::first(10)).await.unwrap().items, []);
    w.finish().await;
}

/// A machine that was put back to an old image, so that a disclosed password opens it again, is asked although a later
/// version was proven (rotation.md 1, "live set": the version last reported installed).
pub async fn a_machine_that_was_put_back_is_not_safe(mut w: World) {
    let mallory = w.user("mallory").await;
    let (fine, put_back) = (w.device().await, w.device().await);
    let mut first = None;
    for device in [fine, put_back] {
        first = Some(w.rotated(device).await);
        w.read_by(mallory, device).await;
        w.rotated(device).await;
    }
    let report = w.truth(put_back, first).await;
    assert!(w.report(report).await.unwrap().forked);
    let chosen = w.exposed_to(reads_of(mallory)).await;
    let id = w.gathered(CampaignKind::Revoke, &chosen).await;
    assert_eq!(w.ask(id, &[fine, put_back]).await, 1);
    assert_eq!(w.state_in(id, fine).await.0, CampaignState::Safe);
    assert_eq!(w.state_in(id, put_back).await.0, CampaignState::Requested);
    w.rotated(put_back).await;
    assert!(w.complete(id).await);
    w.finish().await;
}

/// What a campaign that was called off left open is closed, with a record for each request; what is proven stays.
pub async fn a_campaign_is_called_off(mut w: World) {
    let (here, away, waits) = (w.device().await, w.device().await, w.device().await);
    let id = w.gathered(CampaignKind::Devices, &[(here, None), (away, None), (waits, None)]).await;
    w.ask(id, &[here, away]).await;
    w.rotated(here).await;
    assert_eq!(w.called_off(id, &[away]).await, Err(StoreError::Changed), "it was not called off");
    let entry = w.entry();
    let cancelled = w.store.cancel_campaign(id, "admin".into(), w.now, entry).await.unwrap();
    assert_eq!(cancelled.cancelled, Some((w.now, "admin".to_owned())));
    let entry = w.entry();
    assert_eq!(w.store.cancel_campaign(id, "admin".into(), w.now, entry).await, Err(StoreError::Changed), "once");
    assert_eq!(w.ask(id, &[waits]).await, 0, "nobody is asked any more");
    assert!(!w.complete(id).await, "two are open");
    let records = w.records().await;
    assert_eq!(w.called_off(id, &[here, away, waits]).await, Ok(2));
    assert_eq!(w.records().await, records + 1, "one request was open");
    assert_eq!(w.called_off(id, &[here, away, waits]).await, Ok(0));
    assert_eq!(w.state_in(id, here).await.0, CampaignState::Proven);
    for device in [away, waits] {
        assert_eq!(w.state_in(id, device).await, (CampaignState::Cancelled, Some(CANCELLED.to_owned())));
    }
    let requests = w.store.rotation_requests(away).await.unwrap();
    assert_eq!(requests[0].closed, Some((w.now, CANCELLED.to_owned())));
    assert!(w.complete(id).await);
    // It is over for good: a device that comes back is not asked.
    w.change(away, DeviceChange::Disable).await.unwrap();
    w.change(away, DeviceChange::Enable).await.unwrap();
    assert_eq!(w.store.review_campaign(id, None, 100, w.now).await, Ok(None));
    assert_eq!(w.state_in(id, away).await.0, CampaignState::Cancelled);
    let entry = w.entry();
    assert_eq!(w.store.cancel_campaign(id, "admin".into(), w.now, entry).await, Err(StoreError::Changed), "it ended");
    let unknown = CampaignId::from_bytes([0xee; 16]);
    let entry = w.entry();
    let missing = w.store.cancel_campaign(unknown, "admin".into(), w.now, entry).await;
    assert_eq!(missing, Err(StoreError::NotFound("campaign")));
    // One that is not gathered ends too.
    let early = w.campaign(CampaignKind::All).await;
    let entry = w.entry();
    w.store.cancel_campaign(early, "admin".into(), w.now, entry).await.unwrap();
    let more = w.store.gather_campaign(early, vec![], None, None, w.now).await;
    assert_eq!(more, Err(StoreError::Changed));
    assert!(w.complete(early).await);
    w.finish().await;
}

/// A request that a person made for one device, or that another campaign follows, does not end with a campaign.
pub async fn a_request_that_others_follow_stays(mut w: World) {
    let (asked, joined, shared) = (w.device().await, w.device().await, w.device().await);
    w.request(asked).await.unwrap();
    let all = [(asked, None), (joined, None), (shared, None)];
    let first = w.gathered(CampaignKind::Devices, &all).await;
    w.ask(first, &[asked, joined, shared]).await;
    w.request(joined).await.unwrap();
    let second = w.gathered(CampaignKind::Devices, &[(shared, None)]).await;
    w.ask(second, &[shared]).await;
    let mut ended = Vec::new();
    for id in [first, second] {
        let entry = w.entry();
        w.store.cancel_campaign(id, "admin".into(), w.now, entry).await.unwrap();
        w.called_off(id, &[asked, joined, shared]).await.unwrap();
        for device in [asked, joined, shared] {
            ended.push(w.store.rotation_requests(device).await.unwrap()[0].closed.is_some());
        }
    }
    assert_eq!(ended, [false, false, false, false, false, true], "the last that follows it ends it");
    w.finish().await;
}

//! The trait, verb by verb: which one reads, which one writes, and what is answered without either.

use super::{
    Lane, SqliteStore, Undo, audit, campaigns, channels, devices, exports, factors, groups, people, policies,
    providers, reading, reports, roles, rollouts, secrets, sessions, survey, tenant, tokens, uses, versions, work,
};
use crate::{
    audit::{AuditCheckpoint, AuditEntry, AuditFilter, AuditHead, AuditRecord, SignedHead},
    seal::{KeyId, Sealed},
    store::*,
};
use laps::{
    id::{CampaignId, DeviceId, GroupId, Incarnation, PolicyId, PrincipalId, RoleId, VersionId},
    rollout::Ring,
    time::Timestamp,
};
use tokio::sync::watch;

impl Store for SqliteStore {
    fn initialise(&self, tenant: NewTenant, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| tenant::initialise(tx, &tenant, now, audit))
    }
    fn tenant(&self) -> Answer<'_, Tenant> {
        self.read(tenant::tenant)
    }
    fn update_settings(&self, settings: Settings, revision: u64, audit: AuditEntry) -> Answer<'_, Tenant> {
        self.write(move |tx| tenant::update_settings(tx, &settings, revision, audit))
    }
    fn observe_clock(&self, reading: ClockReading) -> Answer<'_, bool> {
        Box::pin(async move {
            let (verdict, held) = self.read(move |tx| tenant::judge_clock(tx, reading)).await?;
            match verdict {
                tenant::Clock::Fine => Ok(held),
                tenant::Clock::Store | tenant::Clock::Hold => {
                    self.write(move |tx| tenant::observe_clock(tx, reading)).await
                }
            }
        })
    }
    fn confirm_clock(&self, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| tenant::confirm_clock(tx, now, audit))
    }
    fn counts(&self) -> Answer<'_, Counts> {
        self.read(tenant::counts)
    }
    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.refuse_without_room()?;
            // A transaction that writes nothing: it begins only if one could write.
            self.write(|_| Ok(())).await
        })
    }
    fn begin_incarnation(
        &self,
        incarnation: Incarnation,
        backup_at: Timestamp,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, ()> {
        self.write(move |tx| tenant::begin_incarnation(tx, incarnation, backup_at, now, audit))
    }
    fn keys(&self) -> Answer<'_, Vec<Key>> {
        self.read(tenant::keys)
    }
    fn begin_rekey(&self, key: KeyId, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| tenant::begin_rekey(tx, key, now, audit))
    }
    fn wrapped_under(&self, key: KeyId, limit: u32) -> Answer<'_, Vec<WrappedKey>> {
        self.read(move |tx| tenant::wrapped_under(tx, key, limit))
    }
    fn rewrap(&self, from: KeyId, to: KeyId, keys: Vec<WrappedKey>) -> Answer<'_, u64> {
        self.write(move |tx| tenant::rewrap(tx, from, to, &keys))
    }
    fn retire_key(&self, key: KeyId, now: Timestamp, audit: AuditEntry) -> Answer<'_, u64> {
        self.write(move |tx| tenant::retire_key(tx, key, now, audit))
    }
    fn sealed_samples(&self) -> Answer<'_, Vec<SealedVersion>> {
        self.read(tenant::sealed_samples)
    }
    fn append_audit(&self, entry: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| audit::append(tx, entry, Vec::new()))
    }
    fn audit(&self, filter: AuditFilter, page: Page) -> Answer<'_, PageOf<AuditRecord>> {
        self.read(move |tx| audit::list(tx, &filter, &page))
    }
    fn audit_chain(&self, chain: u32, after: u64, limit: u32) -> Answer<'_, Vec<AuditRecord>> {
        self.read(move |tx| audit::chain(tx, chain, after, limit))
    }
    fn audit_from(&self, chain: u32, at: Timestamp) -> Answer<'_, Option<u64>> {
        self.read(move |tx| audit::from(tx, chain, at))
    }
    fn audit_heads(&self) -> Answer<'_, Vec<AuditHead>> {
        self.read(audit::heads)
    }
    fn put_signed_head(&self, signed: SignedHead) -> Answer<'_, ()> {
        self.write(move |tx| audit::put_signed_head(tx, &signed))
    }
    fn signed_heads(&self) -> Answer<'_, Vec<SignedHead>> {
        self.read(audit::signed_heads)
    }
    fn prune_audit(&self, checkpoint: AuditCheckpoint, audit: AuditEntry) -> Answer<'_, u64> {
        self.write(move |tx| audit::prune(tx, &checkpoint, audit))
    }
    fn audit_checkpoints(&self) -> Answer<'_, Vec<AuditCheckpoint>> {
        self.read(audit::checkpoints)
    }
    fn create_join_token(&self, token: NewJoinToken, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| devices::create_token(tx, &token, now, audit))
    }
    fn join_tokens(&self, page: Page) -> Answer<'_, PageOf<JoinToken>> {
        self.read(move |tx| devices::tokens(tx, &page))
    }
    fn revoke_join_token(&self, id: [u8; 16], now: Timestamp, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| devices::revoke_token(tx, id, now, audit))
    }
    fn check_join_token(&self, hash: SecretHash, now: Timestamp) -> Answer<'_, JoinToken> {
        self.read(move |tx| devices::usable_token(tx, &hash, now))
    }
    fn join(&self, token: SecretHash, device: NewDevice, now: Timestamp, audit: AuditEntry) -> Answer<'_, Joined> {
        self.write(move |tx| devices::join(tx, &token, &device, now, audit))
    }
    fn device(&self, id: DeviceId) -> Answer<'_, Option<Device>> {
        Box::pin(async move {
            let device = self.read(move |tx| devices::device(tx, id)).await?;
            Ok(device.map(|device| self.with_seen(device)))
        })
    }
    fn device_by_certificate(&self, fingerprint: [u8; 32]) -> Answer<'_, Option<(Device, Certificate)>> {
        Box::pin(async move {
            let found = self.read(move |tx| devices::by_certificate(tx, &fingerprint)).await?;
            Ok(found.map(|(device, certificate)| (self.with_seen(device), certificate)))
        })
    }
    fn devices(&self, filter: DeviceFilter, page: Page) -> Answer<'_, PageOf<Device>> {
        Box::pin(async move {
            let page = self.read(move |tx| devices::devices(tx, &filter, &page)).await?;
            Ok(page.map(|device| self.with_seen(device)))
        })
    }
    fn certificates(&self, device: DeviceId) -> Answer<'_, Vec<Certificate>> {
        self.read(move |tx| devices::certificates(tx, device))
    }
    fn add_certificate(
        &self,
        device: DeviceId,
        certificate: NewCertificate,
        public_key: Vec<u8>,
        audit: AuditEntry,
    ) -> Answer<'_, ()> {
        self.write(move |tx| devices::add_certificate(tx, device, &certificate, &public_key, audit))
    }
    fn revoke_certificate(&self, fingerprint: [u8; 32], now: Timestamp, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| devices::revoke_certificate(tx, &fingerprint, now, audit))
    }
    fn change_device(
        &self,
        id: DeviceId,
        change: DeviceChange,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Device> {
        Box::pin(async move {
            let device = self.write(move |tx| devices::change(tx, id, change, now, audit)).await?;
            Ok(self.with_seen(device))
        })
    }
    fn purge_device(&self, id: DeviceId, by: PurgeBy, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| devices::purge(tx, id, by, now, audit))
    }
    fn purgeable(&self, now: Timestamp, limit: u32) -> Answer<'_, Vec<DeviceId>> {
        self.read(move |tx| devices::purgeable(tx, now, limit))
    }
    fn link_predecessor(&self, device: DeviceId, predecessor: DeviceId, audit: AuditEntry) -> Answer<'_, Device> {
        Box::pin(async move {
            let device = self.write(move |tx| devices::link_predecessor(tx, device, predecessor, audit)).await?;
            Ok(self.with_seen(device))
        })
    }
    fn note_seen(&self, device: DeviceId, now: Timestamp) {
        let mut seen = self.seen();
        let at = seen.entry(device).or_insert(now);
        *at = now.max(*at);
    }
    fn flush_seen(&self) -> Answer<'_, u64> {
        Box::pin(async move {
            let batch: Vec<_> = self.seen().drain().collect();
            if batch.is_empty() {
                return Ok(0);
            }
            let written = {
                let batch = batch.clone();
                self.write(move |tx| devices::flush_seen(tx, &batch)).await
            };
            if written.is_err() {
                for (device, at) in batch {
                    self.note_seen(device, at);
                }
            }
            written
        })
    }
    fn note_event(&self, device: DeviceId, kind: DeviceEventKind, detail: String, now: Timestamp) -> Answer<'_, ()> {
        self.write(move |tx| {
            devices::device(tx, device)?.ok_or(StoreError::DeviceUnknown)?;
            work::event(tx, device, kind, now, &detail)
        })
    }
    fn device_events(&self, device: DeviceId, page: Page) -> Answer<'_, PageOf<DeviceEvent>> {
        self.read(move |tx| work::events(tx, device, &page))
    }
    fn note_use(&self, used: PasswordUse, audit: AuditEntry) -> Answer<'_, bool> {
        self.write(move |tx| uses::note(tx, &used, audit))
    }
    fn uses(&self, device: DeviceId, page: Page) -> Answer<'_, PageOf<PasswordUse>> {
        self.read(move |tx| uses::list(tx, device, &page))
    }
    fn last_read(&self, device: DeviceId, version: VersionId) -> Answer<'_, Option<AuditRecord>> {
        self.read(move |tx| uses::last_read(tx, device, version))
    }
    fn clear_fork(&self, device: DeviceId, now: Timestamp, audit: AuditEntry) -> Answer<'_, Device> {
        Box::pin(async move {
            let device = self.write(move |tx| devices::clear_fork(tx, device, now, audit)).await?;
            Ok(self.with_seen(device))
        })
    }
    fn create_group(
        &self,
        id: GroupId,
        name: String,
        filter: Option<GroupFilter>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Group> {
        self.write(move |tx| groups::create(tx, id, &name, filter.as_ref(), now, audit))
    }
    fn change_group_filter(
        &self,
        id: GroupId,
        filter: GroupFilter,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Group> {
        self.write(move |tx| groups::change_filter(tx, id, &filter, now, audit))
    }
    fn group(&self, id: GroupId) -> Answer<'_, Option<Group>> {
        self.read(move |tx| groups::group(tx, id))
    }
    fn groups(&self, page: Page) -> Answer<'_, PageOf<Group>> {
        self.read(move |tx| groups::groups(tx, &page))
    }
    fn rename_group(&self, id: GroupId, name: String, audit: AuditEntry) -> Answer<'_, Group> {
        self.write(move |tx| groups::rename(tx, id, &name, audit))
    }
    fn delete_group(&self, id: GroupId, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| groups::delete(tx, id, audit))
    }
    fn add_member(&self, group: GroupId, device: DeviceId, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| groups::add_member(tx, group, device, audit))
    }
    fn remove_member(&self, group: GroupId, device: DeviceId, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| groups::remove_member(tx, group, device, audit))
    }
    fn store_pending(&self, version: NewVersion, now: Timestamp, audit: AuditEntry) -> Answer<'_, Stored> {
        self.write_if_not_refused(move |tx| versions::store_pending(tx, &version, now, audit))
    }
    fn mark_proven(&self, proof: Proof, now: Timestamp, audit: AuditEntry) -> Answer<'_, Proven> {
        self.write_if_not_refused(move |tx| versions::mark_proven(tx, &proof, now, audit))
    }
    fn abandon(
        &self,
        device: DeviceId,
        version: VersionId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Option<VersionState>> {
        self.write(move |tx| versions::abandon(tx, device, version, now, audit))
    }
    fn report(&self, report: Report, now: Timestamp) -> Answer<'_, ReportAnswer> {
        Box::pin(async move {
            // What is the same as before costs no write (issue 2, 21 g): look first, off the writer.
            let (report, assessed) =
                self.read(move |tx| reports::assess(tx, &report, now).map(|assessed| (report, assessed))).await?;
            if assessed.settled() {
                return Ok(assessed.into_answer());
            }
            self.write(move |tx| reports::report(tx, &report, now)).await
        })
    }
    fn last_report(&self, device: DeviceId) -> Answer<'_, Option<DeviceReport>> {
        self.read(move |tx| reports::last(tx, device))
    }
    fn versions(&self, device: DeviceId, history: bool) -> Answer<'_, Vec<Version>> {
        self.read(move |tx| versions::shown(tx, device, history))
    }
    fn credentials(&self, filter: DeviceFilter, page: Page) -> Answer<'_, PageOf<CredentialSummary>> {
        self.read(move |tx| versions::credentials(tx, &filter, &page))
    }
    fn reveal(&self, reveal: Reveal, audit: AuditEntry) -> Answer<'_, Vec<SealedVersion>> {
        self.submit(Lane::Reveal, Undo::Writes, move |tx| versions::reveal(tx, &reveal, audit))
    }
    fn release(&self, device: DeviceId, now: Timestamp, audit: AuditEntry) -> Answer<'_, u64> {
        self.write(move |tx| versions::release(tx, device, now, audit))
    }
    fn trim(&self, after: Option<String>, limit: u32, now: Timestamp, audit: AuditEntry) -> Answer<'_, Trimmed> {
        self.write(move |tx| versions::trim(tx, after.as_deref(), limit, now, audit))
    }
    fn request_rotation(
        &self,
        device: DeviceId,
        by: PrincipalId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, RequestedRotation> {
        self.write(move |tx| work::request_rotation(tx, device, by, work::Asked::Alone, now, audit))
    }
    fn rotation_requests(&self, device: DeviceId) -> Answer<'_, Vec<RotationRequest>> {
        self.read(move |tx| work::requests(tx, device))
    }
    fn survey(&self, filter: SurveyFilter, page: Page) -> Answer<'_, PageOf<Surveyed>> {
        Box::pin(async move {
            let page = self.read(move |tx| survey::survey(tx, &filter, &page)).await?;
            Ok(page.map(|of| Surveyed { device: self.with_seen(of.device), ..of }))
        })
    }
    fn close_requests(
        &self,
        device: DeviceId,
        code: &'static str,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, u64> {
        self.write(move |tx| work::close_requests(tx, device, code, now, audit))
    }
    fn disclose(&self, disclosure: Disclosure, audit: AuditEntry) -> Answer<'_, DisclosedPage> {
        self.submit(Lane::Reveal, Undo::Writes, move |tx| exports::disclose(tx, &disclosure, audit))
    }
    fn record_export(
        &self,
        export: NewExport,
        devices: Vec<DeviceId>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Export> {
        self.write(move |tx| exports::record(tx, &export, &devices, now, audit))
    }
    fn exports(&self, limit: u32) -> Answer<'_, Vec<Export>> {
        self.read(move |tx| exports::list(tx, limit))
    }
    fn export_of(&self, device: DeviceId) -> Answer<'_, Option<Export>> {
        self.read(move |tx| exports::of_device(tx, device))
    }
    fn last_drilled(&self) -> Answer<'_, Option<Export>> {
        self.read(exports::last_drilled)
    }
    fn record_drill(&self, export: [u8; 16], by: String, now: Timestamp, audit: AuditEntry) -> Answer<'_, Export> {
        self.write(move |tx| exports::drill(tx, export, &by, now, audit))
    }
    fn work_since(&self, after: u64, limit: u32) -> Answer<'_, Vec<Work>> {
        self.read(move |tx| work::since(tx, after, limit))
    }
    fn watch_work(&self) -> watch::Receiver<u64> {
        self.work.clone()
    }
    fn create_campaign(&self, campaign: NewCampaign, now: Timestamp, audit: AuditEntry) -> Answer<'_, Campaign> {
        self.write(move |tx| campaigns::create(tx, &campaign, now, audit))
    }
    fn gather_campaign(
        &self,
        id: CampaignId,
        chosen: Vec<Chosen>,
        from: Option<String>,
        place: Option<String>,
        now: Timestamp,
    ) -> Answer<'_, ()> {
        self.write(move |tx| campaigns::gather(tx, id, &chosen, from.as_deref(), place.as_deref(), now))
    }
    fn ask_campaign(&self, id: CampaignId, asked: Vec<Ask>, now: Timestamp) -> Answer<'_, u64> {
        self.write(move |tx| campaigns::ask(tx, id, asked, now))
    }
    fn review_campaign(
        &self,
        id: CampaignId,
        after: Option<String>,
        limit: u32,
        now: Timestamp,
    ) -> Answer<'_, Option<String>> {
        Box::pin(async move {
            let page = Page::behind(after, limit);
            let looked = self.read(move |tx| campaigns::look(tx, id, &page)).await?;
            if !looked.items.is_empty() {
                self.write(move |tx| campaigns::review(tx, id, &looked.items, now)).await?;
            }
            Ok(looked.next)
        })
    }
    fn complete_campaign(&self, id: CampaignId, now: Timestamp, audit: AuditEntry) -> Answer<'_, bool> {
        self.write(move |tx| campaigns::complete(tx, id, now, audit))
    }
    fn cancel_campaign(&self, id: CampaignId, by: String, now: Timestamp, audit: AuditEntry) -> Answer<'_, Campaign> {
        self.write(move |tx| campaigns::cancel(tx, id, &by, now, audit))
    }
    fn call_off(&self, id: CampaignId, devices: Vec<CallOff>, now: Timestamp) -> Answer<'_, u64> {
        self.write(move |tx| campaigns::call_off(tx, id, devices, now))
    }
    fn campaign(&self, id: CampaignId) -> Answer<'_, Option<Campaign>> {
        self.read(move |tx| campaigns::campaign(tx, id))
    }
    fn campaigns(&self, by: Option<PrincipalId>, page: Page) -> Answer<'_, PageOf<Campaign>> {
        self.read(move |tx| campaigns::campaigns(tx, by, &page))
    }
    fn open_campaigns(&self) -> Answer<'_, Vec<Campaign>> {
        self.read(campaigns::open)
    }
    fn campaign_devices(
        &self,
        id: CampaignId,
        state: Option<CampaignState>,
        page: Page,
    ) -> Answer<'_, PageOf<CampaignDevice>> {
        self.read(move |tx| campaigns::devices(tx, id, state, &page))
    }
    fn exposures(&self, filter: ExposureFilter, page: Page) -> Answer<'_, PageOf<Chosen>> {
        self.read(move |tx| campaigns::exposures(tx, &filter, &page))
    }
    fn readers(&self, name: String) -> Answer<'_, Vec<PrincipalId>> {
        self.read(move |tx| campaigns::readers(tx, &name))
    }
    fn create_policy(
        &self,
        id: PolicyId,
        name: String,
        values: String,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Policy> {
        self.write(move |tx| policies::create(tx, id, &name, &values, now, audit))
    }
    fn revise_policy(
        &self,
        id: PolicyId,
        version: u32,
        name: String,
        values: String,
        spread: Spread,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Policy> {
        self.write(move |tx| {
            policies::revise(tx, id, &policies::Revision { version, name, values, spread }, now, audit)
        })
    }
    fn policy(&self, id: PolicyId) -> Answer<'_, Option<Policy>> {
        self.read(move |tx| policies::policy(tx, id))
    }
    fn policy_versions(&self, id: PolicyId) -> Answer<'_, Vec<Policy>> {
        self.read(move |tx| policies::versions(tx, id))
    }
    fn policies(&self, page: Page) -> Answer<'_, PageOf<Policy>> {
        self.read(move |tx| policies::policies(tx, &page))
    }
    fn delete_policy(&self, id: PolicyId, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| policies::delete(tx, id, audit))
    }
    fn assign_policy(&self, policy: PolicyId, group: GroupId, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| policies::assign(tx, policy, group, now, audit))
    }
    fn unassign_policy(&self, policy: PolicyId, group: GroupId, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| policies::unassign(tx, policy, group, audit))
    }
    fn assignments(&self, policy: Option<PolicyId>) -> Answer<'_, Vec<Assignment>> {
        self.read(move |tx| policies::assignments(tx, policy))
    }
    fn exclude_policy(&self, policy: PolicyId, group: GroupId, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| rollouts::exclude(tx, policy, group, now, audit))
    }
    fn include_policy(&self, policy: PolicyId, group: GroupId, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| rollouts::include(tx, policy, group, audit))
    }
    fn exclusions(&self, policy: Option<PolicyId>) -> Answer<'_, Vec<Assignment>> {
        self.read(move |tx| rollouts::exclusions(tx, policy))
    }
    fn set_ring_plan(&self, policy: PolicyId, rings: Option<Vec<Ring>>, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| rollouts::set_plan(tx, policy, rings.as_deref(), audit))
    }
    fn ring_plan(&self, policy: PolicyId) -> Answer<'_, Option<Vec<Ring>>> {
        self.read(move |tx| rollouts::plan(tx, policy))
    }
    fn begin_rollout(
        &self,
        policy: PolicyId,
        rings: Vec<Ring>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Rollout> {
        self.write(move |tx| rollouts::begin_first(tx, policy, &rings, now, audit))
    }
    fn rollout(&self, policy: PolicyId) -> Answer<'_, Option<Rollout>> {
        self.read(move |tx| rollouts::rollout(tx, policy))
    }
    fn open_rollouts(&self) -> Answer<'_, Vec<Rollout>> {
        self.read(rollouts::open)
    }
    fn change_rollout(
        &self,
        from: Rollout,
        change: RolloutChange,
        detail: String,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Rollout> {
        self.write(move |tx| rollouts::change(tx, &from, change, &detail, now, audit))
    }
    fn held_devices(&self, page: Page) -> Answer<'_, PageOf<HeldDevice>> {
        self.read(move |tx| rollouts::held(tx, &page))
    }
    fn policies_for(&self, device: DeviceId) -> Answer<'_, Vec<AssignedPolicy>> {
        self.read(move |tx| policies::policies_for(tx, device))
    }
    fn record_delivery(&self, delivery: NewDelivery, now: Timestamp) -> Answer<'_, Delivery> {
        Box::pin(async move {
            let (delivery, same) =
                self.read(move |tx| policies::same_delivery(tx, &delivery).map(|same| (delivery, same))).await?;
            match same {
                Some(sent) => Ok(sent),
                None => self.write(move |tx| policies::record_delivery(tx, &delivery, now)).await,
            }
        })
    }
    fn answer_delivery(
        &self,
        device: DeviceId,
        sequence: u64,
        statuses: Vec<SettingStatus>,
        complete: bool,
        now: Timestamp,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            let (statuses, news) = self
                .read(move |tx| {
                    policies::is_news(tx, device, sequence, &statuses, complete).map(|news| (statuses, news))
                })
                .await?;
            if !news {
                return Ok(());
            }
            self.write(move |tx| policies::answer_delivery(tx, device, sequence, statuses, complete, now)).await
        })
    }
    fn hold_delivery(&self, device: DeviceId, reason: String) -> Answer<'_, ()> {
        Box::pin(async move {
            if self.read(move |tx| policies::held(tx, device)).await?.as_ref() == Some(&reason) {
                return Ok(());
            }
            self.write(move |tx| policies::hold(tx, device, &reason)).await
        })
    }
    fn deliveries(&self, device: DeviceId) -> Answer<'_, Deliveries> {
        self.read(move |tx| policies::deliveries(tx, device))
    }
    fn reading_rules(&self) -> Answer<'_, Vec<GroupRule>> {
        self.read(reading::rules)
    }
    fn set_reading_rule(&self, group: GroupId, rule: Option<ReadingRule>, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| reading::set_rule(tx, group, rule.as_ref(), audit))
    }
    fn reading_rule_for(&self, device: DeviceId) -> Answer<'_, ReadingRule> {
        self.read(move |tx| reading::rule_for(tx, device))
    }
    fn request_access(&self, new: NewAccessRequest, now: Timestamp, audit: AuditEntry) -> Answer<'_, RequestedAccess> {
        self.write(move |tx| reading::request(tx, &new, now, audit))
    }
    fn access_request(&self, id: [u8; 16]) -> Answer<'_, Option<AccessRequest>> {
        self.read(move |tx| reading::access(tx, id))
    }
    fn access_requests(&self, filter: AccessFilter, page: Page) -> Answer<'_, PageOf<AccessRequest>> {
        self.read(move |tx| reading::list(tx, &filter, &page))
    }
    fn answer_access(&self, id: [u8; 16], answer: AccessAnswer, audit: AuditEntry) -> Answer<'_, AccessRequest> {
        self.write(move |tx| reading::answer(tx, id, &answer, audit))
    }
    fn cancel_access(
        &self,
        id: [u8; 16],
        by: PrincipalId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, AccessRequest> {
        self.write(move |tx| reading::cancel(tx, id, by, now, audit))
    }
    fn rotation_due(&self, device: DeviceId) -> Answer<'_, Option<DueRotation>> {
        self.read(move |tx| reading::due(tx, device))
    }
    fn rotations_due(&self, now: Timestamp, limit: u32) -> Answer<'_, Vec<DueRotation>> {
        self.read(move |tx| reading::all_due(tx, now, limit))
    }
    fn rotate_after_read(
        &self,
        device: DeviceId,
        by: Timestamp,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, bool> {
        self.write(move |tx| reading::rotate(tx, device, by, now, audit))
    }
    fn channels(&self) -> Answer<'_, Vec<Channel>> {
        self.read(channels::all)
    }
    fn create_channel(&self, new: NewChannel, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| channels::create(tx, &new, now, audit))
    }
    fn delete_channel(&self, id: [u8; 16], audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| channels::delete(tx, id, audit))
    }
    fn pause_channel(&self, id: [u8; 16], paused: bool, audit: AuditEntry) -> Answer<'_, bool> {
        self.write(move |tx| channels::pause(tx, id, paused, audit))
    }
    fn advance_channel(&self, id: [u8; 16], from: u64, to: u64, progress: ChannelProgress) -> Answer<'_, bool> {
        self.write(move |tx| channels::advance(tx, id, from, to, &progress))
    }
    fn create_user(&self, user: NewUser, now: Timestamp, audit: AuditEntry) -> Answer<'_, User> {
        self.write(move |tx| people::create_user(tx, &user, now, audit))
    }
    fn user(&self, id: PrincipalId) -> Answer<'_, Option<User>> {
        self.read(move |tx| people::user(tx, id))
    }
    fn user_by_name(&self, user_name: String) -> Answer<'_, Option<User>> {
        self.read(move |tx| people::user_by_name(tx, &user_name))
    }
    fn users(&self, page: Page) -> Answer<'_, PageOf<User>> {
        self.read(move |tx| people::users(tx, &page))
    }
    fn update_user(&self, id: PrincipalId, change: UserChange, audit: AuditEntry) -> Answer<'_, User> {
        self.write(move |tx| people::update_user(tx, id, &change, audit))
    }
    fn delete_user(&self, id: PrincipalId, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| people::delete(tx, id, true, audit))
    }
    fn redeem_one_time(
        &self,
        user: PrincipalId,
        secret: SecretHash,
        password_hash: String,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, User> {
        self.write(move |tx| people::redeem_one_time(tx, user, &secret, &password_hash, now, audit))
    }
    fn create_service_principal(
        &self,
        principal: NewServicePrincipal,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, ServicePrincipal> {
        self.write(move |tx| people::create_application(tx, &principal, now, audit))
    }
    fn service_principal(&self, id: PrincipalId) -> Answer<'_, Option<ServicePrincipal>> {
        self.read(move |tx| people::application(tx, id))
    }
    fn service_principals(&self, page: Page) -> Answer<'_, PageOf<ServicePrincipal>> {
        self.read(move |tx| people::applications(tx, &page))
    }
    fn update_service_principal(
        &self,
        id: PrincipalId,
        change: ServicePrincipalChange,
        audit: AuditEntry,
    ) -> Answer<'_, ServicePrincipal> {
        self.write(move |tx| people::update_application(tx, id, &change, audit))
    }
    fn delete_service_principal(&self, id: PrincipalId, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| people::delete(tx, id, false, audit))
    }
    fn create_role(&self, role: CustomRole, audit: AuditEntry) -> Answer<'_, CustomRole> {
        self.write(move |tx| roles::create(tx, &role, audit))
    }
    fn update_role(&self, id: RoleId, change: CustomRoleChange, audit: AuditEntry) -> Answer<'_, CustomRole> {
        self.write(move |tx| roles::update(tx, id, &change, audit))
    }
    fn delete_role(&self, id: RoleId, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| roles::delete(tx, id, audit))
    }
    fn custom_roles(&self) -> Answer<'_, Vec<CustomRole>> {
        self.read(roles::roles)
    }
    fn assign_role(&self, assignment: RoleAssignment, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| people::assign_role(tx, &assignment, audit))
    }
    fn unassign_role(&self, id: [u8; 16], audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| people::unassign_role(tx, id, audit))
    }
    fn role_assignments(&self, principal: Option<PrincipalId>) -> Answer<'_, Vec<RoleAssignment>> {
        self.read(move |tx| people::roles(tx, principal))
    }
    fn authorization(&self, principal: PrincipalId) -> Answer<'_, Option<Authorization>> {
        self.read(move |tx| people::authorization(tx, principal))
    }
    fn put_secret(&self, name: String, sealed: Sealed, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| secrets::put_audited(tx, &name, &sealed, audit))
    }
    fn secret(&self, name: String) -> Answer<'_, Option<Sealed>> {
        self.read(move |tx| secrets::secret(tx, &name))
    }
    fn delete_secret(&self, name: String, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| secrets::delete(tx, &name, audit))
    }
    fn secrets_under(&self, key: KeyId, limit: u32) -> Answer<'_, Vec<WrappedSecret>> {
        self.read(move |tx| secrets::under(tx, key, limit))
    }
    fn rewrap_secrets(&self, from: KeyId, to: KeyId, secrets: Vec<WrappedSecret>) -> Answer<'_, u64> {
        self.write(move |tx| secrets::rewrap(tx, from, to, &secrets))
    }
    fn factors(&self, user: PrincipalId) -> Answer<'_, Factors> {
        self.read(move |tx| factors::factors(tx, user))
    }
    fn enrol_totp(
        &self,
        user: PrincipalId,
        secret: Sealed,
        recovery: Vec<SecretHash>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, ()> {
        self.write(move |tx| factors::enrol_totp(tx, user, &secret, &recovery, now, audit))
    }
    fn remove_totp(&self, user: PrincipalId, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| factors::remove_totp(tx, user, audit))
    }
    fn use_recovery_code(&self, user: PrincipalId, code: SecretHash, audit: AuditEntry) -> Answer<'_, bool> {
        self.write(move |tx| factors::use_recovery_code(tx, user, &code, audit))
    }
    fn add_passkey(&self, passkey: Passkey, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| factors::add_passkey(tx, &passkey, audit))
    }
    fn passkey(&self, id: Vec<u8>) -> Answer<'_, Option<Passkey>> {
        self.read(move |tx| factors::passkey(tx, &id))
    }
    fn use_passkey(&self, id: Vec<u8>, data: String, now: Timestamp) -> Answer<'_, ()> {
        self.write(move |tx| factors::use_passkey(tx, &id, &data, now))
    }
    fn remove_passkey(&self, user: PrincipalId, id: Vec<u8>, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| factors::remove_passkey(tx, user, &id, audit))
    }
    fn put_ticket(&self, ticket: Ticket) -> Answer<'_, ()> {
        self.write(move |tx| factors::put_ticket(tx, &ticket))
    }
    fn take_ticket(&self, purpose: &'static str, hash: SecretHash, now: Timestamp) -> Answer<'_, Option<String>> {
        self.write(move |tx| factors::take_ticket(tx, purpose, &hash, now))
    }
    fn create_api_token(&self, token: ApiToken, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| tokens::create(tx, &token, audit))
    }
    fn use_api_token(&self, hash: SecretHash, now: Timestamp) -> Answer<'_, Option<ApiToken>> {
        Box::pin(async move {
            let Some(token) = self.read(move |tx| tokens::token(tx, &hash, now)).await? else {
                return Ok(None);
            };
            if tokens::is_news(&token, now) {
                self.write(move |tx| tokens::note_use(tx, &hash, now)).await?;
                return Ok(Some(ApiToken { used_at: Some(now), ..token }));
            }
            Ok(Some(token))
        })
    }
    fn api_tokens(&self, user: Option<PrincipalId>) -> Answer<'_, Vec<ApiToken>> {
        self.read(move |tx| tokens::tokens(tx, user))
    }
    fn revoke_api_token(&self, id: [u8; 16], audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| tokens::revoke(tx, id, audit))
    }
    fn add_client_key(&self, key: ClientKey, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| tokens::add_key(tx, &key, audit))
    }
    fn client_keys(&self, of: PrincipalId) -> Answer<'_, Vec<ClientKey>> {
        self.read(move |tx| tokens::keys(tx, of))
    }
    fn remove_client_key(&self, of: PrincipalId, id: [u8; 16], audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| tokens::remove_key(tx, of, id, audit))
    }
    fn identity_providers(&self) -> Answer<'_, Vec<IdentityProvider>> {
        self.read(providers::providers)
    }
    fn add_identity_provider(&self, provider: IdentityProvider, secret: Sealed, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| providers::add(tx, &provider, &secret, audit))
    }
    fn remove_identity_provider(&self, id: [u8; 16], audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| providers::remove(tx, id, audit))
    }
    fn link_identity(&self, link: IdentityLink, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| providers::link(tx, &link, audit))
    }
    fn unlink_identity(&self, provider: [u8; 16], subject: String, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| providers::unlink(tx, provider, &subject, audit))
    }
    fn linked_identity(&self, provider: [u8; 16], subject: String) -> Answer<'_, Option<IdentityLink>> {
        self.read(move |tx| providers::linked(tx, provider, &subject))
    }
    fn identity_links(&self, user: PrincipalId) -> Answer<'_, Vec<IdentityLink>> {
        self.read(move |tx| providers::links_of(tx, user))
    }
    fn sessions_of(&self, principal: PrincipalId, now: Timestamp) -> Answer<'_, Vec<Session>> {
        self.read(move |tx| tokens::sessions_of(tx, principal, now))
    }
    fn session_stands(&self, principal: PrincipalId, family: [u8; 16]) -> Answer<'_, bool> {
        self.read(move |tx| tokens::stands(tx, principal, family))
    }
    fn end_session(&self, principal: PrincipalId, family: [u8; 16], audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| tokens::end(tx, principal, family, audit))
    }
    fn unlock(&self, key: String, audit: AuditEntry) -> Answer<'_, ()> {
        self.write(move |tx| sessions::unlock(tx, &key, audit))
    }
    fn put_session(&self, session: Session) -> Answer<'_, ()> {
        self.write(move |tx| sessions::put(tx, &session))
    }
    fn session(&self, kind: SessionKind, hash: SecretHash, now: Timestamp) -> Answer<'_, Option<Session>> {
        self.read(move |tx| sessions::session(tx, kind, &hash, now))
    }
    fn replace_session(
        &self,
        old: SecretHash,
        new: SecretHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Answer<'_, Replaced> {
        self.write(move |tx| sessions::replace(tx, &old, new, expires_at, now))
    }
    fn extend_session(
        &self,
        kind: SessionKind,
        hash: SecretHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Answer<'_, bool> {
        self.write(move |tx| sessions::extend(tx, kind, &hash, expires_at, now))
    }
    fn delete_session(&self, kind: SessionKind, hash: SecretHash) -> Answer<'_, ()> {
        self.write(move |tx| sessions::delete(tx, kind, &hash))
    }
    fn delete_sessions_of(&self, principal: PrincipalId) -> Answer<'_, u64> {
        self.write(move |tx| sessions::delete_of(tx, principal))
    }
    fn create_device_code(&self, code: DeviceCode) -> Answer<'_, ()> {
        self.write(move |tx| sessions::create_code(tx, &code))
    }
    fn device_code_by_user_code(&self, user_code: String, now: Timestamp) -> Answer<'_, Option<DeviceCode>> {
        self.read(move |tx| sessions::code_by_user_code(tx, &user_code, now))
    }
    fn answer_device_code(
        &self,
        user_code: String,
        principal: Option<PrincipalId>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, ()> {
        self.write(move |tx| sessions::answer_code(tx, &user_code, principal, now, audit))
    }
    fn poll_device_code(&self, hash: SecretHash, client_id: String, now: Timestamp) -> Answer<'_, DeviceCodePoll> {
        self.write(move |tx| sessions::poll_code(tx, &hash, &client_id, now))
    }
    fn use_once(
        &self,
        purpose: &'static str,
        key: SecretHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Answer<'_, bool> {
        self.write(move |tx| sessions::use_once(tx, purpose, &key, expires_at, now))
    }
    fn count_failure(&self, key: String, rule: LockoutRule, now: Timestamp) -> Answer<'_, Lockout> {
        self.write(move |tx| sessions::count_failure(tx, &key, rule, now))
    }
    fn count_guess(&self, key: String, rule: LockoutRule, now: Timestamp) -> Answer<'_, Option<Lockout>> {
        self.write(move |tx| sessions::count_guess(tx, &key, rule, now))
    }
    fn take_back_guess(&self, key: String) -> Answer<'_, ()> {
        self.write(move |tx| sessions::take_back_guess(tx, &key))
    }
    fn lockout(&self, key: String, now: Timestamp) -> Answer<'_, Lockout> {
        self.read(move |tx| sessions::lockout(tx, &key, now))
    }
    fn clear_failures(&self, key: String) -> Answer<'_, ()> {
        Box::pin(async move {
            let (key, has) = self.read(move |tx| sessions::has_failures(tx, &key).map(|has| (key, has))).await?;
            if !has {
                return Ok(());
            }
            self.write(move |tx| sessions::clear_failures(tx, &key)).await
        })
    }
    fn sweep(&self, now: Timestamp) -> Answer<'_, u64> {
        self.write(move |tx| Ok(sessions::sweep(tx, now)? + reading::sweep(tx, now)?))
    }
}

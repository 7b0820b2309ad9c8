//! The survey, in memory.

use super::state::State;
use server::store::*;

fn surveyed_delivery(delivery: &Delivery) -> SurveyedDelivery {
    let refused = delivery.statuses.iter().filter(|one| !(200..300).contains(&one.status));
    SurveyedDelivery {
        digest: delivery.digest,
        values: delivery.values.as_str().into(),
        sent_at: delivery.sent_at,
        answered_at: delivery.answered_at,
        refused: refused.map(|one| (one.uri.clone(), one.status)).collect(),
    }
}

impl State {
    pub(super) fn survey(&self, filter: SurveyFilter, wanted: Page) -> Result<PageOf<Surveyed>, StoreError> {
        let found = match filter.device {
            Some(id) => PageOf { items: self.device(id)?.into_iter().collect(), next: None },
            None => {
                let living = DeviceFilter {
                    states: vec![DeviceState::Enabled, DeviceState::Disabled],
                    groups: filter.groups.clone(),
                    ..DeviceFilter::default()
                };
                self.devices(living, wanted)?
            }
        };
        let mut items = Vec::new();
        let is_wanted = |device: &Device| filter.until.is_none_or(|until| device.id <= until);
        let next = found.next.filter(|_| found.items.last().is_none_or(is_wanted));
        for device in found.items.into_iter().filter(is_wanted) {
            let own = self.ordered(device.id, true);
            let of_state = |state| own.iter().map(|row| &row.version).filter(move |version| version.state == state);
            let deliveries = self.deliveries(device.id).unwrap_or_default();
            let newest = self.certificates(device.id)?.into_iter().next();
            let met = self.requests.iter().filter(|request| request.device == device.id);
            items.push(Surveyed {
                pending_since: of_state(VersionState::Pending).map(|version| version.stored_at).max(),
                current: of_state(VersionState::Current).next().map(|version| SurveyedVersion {
                    stored_at: version.stored_at,
                    proven_at: version.proven_at,
                    expires_at: version.expires_at,
                }),
                report: self.last_report(device.id)?.map(SurveyedReport::from),
                sent: deliveries.sent.as_ref().map(surveyed_delivery),
                in_force: deliveries.in_force.as_ref().map(surveyed_delivery),
                held: deliveries.held,
                certificate: newest.map(|certificate| (certificate.not_after, certificate.revoked_at)),
                rotations: met
                    .filter_map(|request| Some((request.requested_at, request.met_at?)))
                    .filter(|(_, met)| *met >= filter.met_since)
                    .collect(),
                device,
            });
        }
        Ok(PageOf { items, next })
    }
}

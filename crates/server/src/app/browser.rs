//! Sessions of browsers: the cookie, its two lifetimes, and the token that every form carries.

use super::record::{activity, category, target};
use super::roles::assignments;
use super::{App, Error, Kind, Result, hex};
use crate::authz::{self, Action, Caller, Identity, Principal, Scopes, Target};
use crate::oauth::secret;
use crate::store::{SecretHash, Session, SessionKind, User};
use laps::id::TenantId;
use laps::time::{TICKS_PER_SECOND, Timestamp};
use proto::oauth::{Secret, Verification, VerificationAnswer};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

/// A session ends so long after its last request, seconds.
pub const IDLE_S: u64 = 30 * 60;
/// A session ends so long after its sign-in, whatever happens, seconds.
pub const LIFE_S: u64 = 12 * 60 * 60;
/// Its end is written again at most so often, seconds.
const TOUCH_S: u64 = 60;
/// The client that the sessions and their records name.
const CLIENT: &str = "lapwing-admin-centre";

/// A browser that is signed in.
#[derive(Clone)]
pub struct Browsing {
    /// Who, with all that the roles allow.
    pub caller: Caller,
    /// The token that every form of this session carries, 64 hexadecimal digits.
    pub form_token: String,
    session: SecretHash,
}

/// How a sign-in from the form ended.
pub enum BrowserSignIn {
    /// The value of the cookie.
    Done(Secret),
    /// Not yet, or not: what to show.
    Answer(VerificationAnswer),
}

/// What the person may open; for the navigation only, each page decides for itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sections {
    /// Coverage of the fleet.
    pub coverage: bool,
    /// Devices.
    pub devices: bool,
    /// Groups of devices.
    pub groups: bool,
    /// Rotations of many devices.
    pub rotations: bool,
    /// May ask devices to rotate.
    pub rotate: bool,
    /// May take back what somebody was given.
    pub revoke: bool,
    /// Requests for access: one's own, or those of others.
    pub access: bool,
    /// What groups ask of readers.
    pub reading_rules: bool,
    /// Policies.
    pub policies: bool,
    /// People and roles.
    pub people: bool,
    /// The audit log.
    pub audit: bool,
    /// Settings.
    pub settings: bool,
    /// May make and change policies.
    pub write_policies: bool,
    /// May make people and give roles.
    pub write_people: bool,
    /// May turn LAPS on and off.
    pub write_switch: bool,
    /// May change the settings.
    pub write_settings: bool,
    /// May export passwords into escrow.
    pub escrow: bool,
    /// The switch "Enable LAPS" is on.
    pub laps_enabled: bool,
}

impl App {
    /// Signs a person in from the form; at the first sign-in the one-time secret is redeemed.
    pub async fn browser_sign_in(&self, caller: &Caller, form: &Verification) -> Result<BrowserSignIn> {
        match self.person(caller, form).await? {
            Ok(user) => Ok(BrowserSignIn::Done(self.begin_browser_session(caller, &user).await?)),
            Err(answer) => Ok(BrowserSignIn::Answer(answer)),
        }
    }

    /// Signs a person in with a passkey: the value of the cookie; `None` when it was not right.
    pub async fn browser_sign_in_by_passkey(
        &self,
        caller: &Caller,
        ticket: &str,
        answer: &Value,
    ) -> Result<Option<Secret>> {
        match self.by_passkey(caller, ticket, answer).await? {
            Some(user) => Ok(Some(self.begin_browser_session(caller, &user).await?)),
            None => Ok(None),
        }
    }

    /// Makes the session of a person who proved to be that person; the answer is the value of the cookie.
    pub(super) async fn begin_browser_session(&self, caller: &Caller, user: &User) -> Result<Secret> {
        let now = self.now();
        let cookie = secret::bearer(&format!("{}.", self.tenant), &self.random_bytes()?);
        let form_token: [u8; 32] = self.random_bytes()?;
        self.store
            .put_session(Session {
                hash: secret::digest(cookie.reveal()),
                kind: SessionKind::Cookie,
                family: self.random_bytes()?,
                principal: user.id,
                epoch: user.epoch,
                data: json!({
                    "client": CLIENT,
                    "form": hex(&form_token),
                    "incarnation": self.incarnation.to_string(),
                    "address": caller.origin.address,
                    "userAgent": caller.origin.user_agent,
                })
                .to_string(),
                created_at: now,
                expires_at: now.plus_seconds(IDLE_S),
            })
            .await?;
        let known = caller.with(Identity::User(Principal {
            id: user.id,
            name: user.user_name.clone(),
            assignments: Vec::new(),
            scopes: Scopes::default(),
            epoch: user.epoch,
            client_id: CLIENT.into(),
        }));
        let audit = self.entry(
            &known,
            activity::SIGN_IN,
            category::SIGN_IN,
            target("user", &user.id, &user.user_name),
            json!({"client": CLIENT}),
        )?;
        self.store.append_audit(audit).await?;
        Ok(cookie)
    }

    /// Who a cookie is of. A change of the person's rights, a restore of the server and both lifetimes
    /// end it.
    pub async fn browser_session(&self, nobody: &Caller, cookie: &str) -> Result<Browsing> {
        let tenant = cookie.split_once('.').and_then(|(tenant, _)| tenant.parse::<TenantId>().ok());
        if tenant.is_some_and(|tenant| tenant != self.tenant) {
            return Err(Error::refused(
                Kind::NotSignedIn,
                "cookie_of_another_tenant",
                "your browser's session is of another server; sign in here",
            ));
        }
        let now = self.now();
        let hash = secret::digest(cookie);
        let session = self.store.session(SessionKind::Cookie, hash, now).await?.ok_or_else(ended)?;
        let data: Value = serde_json::from_str(&session.data).unwrap_or_default();
        let form_token = data["form"].as_str().unwrap_or_default();
        if form_token.is_empty() || data["incarnation"].as_str() != Some(self.incarnation.to_string().as_str()) {
            return Err(ended());
        }
        let user = self.store.user(session.principal).await?.ok_or_else(ended)?;
        let authorization = self.store.authorization(session.principal).await?.ok_or_else(ended)?;
        if !authorization.enabled || authorization.epoch != session.epoch {
            return Err(ended());
        }
        if let Some(until) = touched(&session, now) {
            self.store.extend_session(SessionKind::Cookie, hash, until, now).await?;
        }
        let caller = nobody.with(Identity::User(Principal {
            id: user.id,
            name: user.user_name,
            assignments: assignments(&authorization),
            scopes: Scopes::all(),
            epoch: authorization.epoch,
            client_id: CLIENT.into(),
        }));
        Ok(Browsing { caller, form_token: form_token.to_owned(), session: hash })
    }

    /// Checks the token that a form carries, in constant time.
    pub fn check_form(&self, browsing: &Browsing, token: Option<&str>) -> Result<()> {
        let given = token.unwrap_or_default().as_bytes();
        if bool::from(given.ct_eq(browsing.form_token.as_bytes())) {
            return Ok(());
        }
        Err(Error::refused(
            Kind::Denied,
            "form_token_wrong",
            "this form was made for another session, or it is too old; nothing was changed. Open the page again \
             and send the form from there",
        ))
    }

    /// Ends the session.
    pub async fn browser_sign_out(&self, browsing: &Browsing) -> Result<()> {
        let Some(principal) = browsing.caller.principal() else { return Ok(()) };
        let audit = self.entry(
            &browsing.caller,
            activity::SIGN_OUT,
            category::SIGN_IN,
            target("user", &principal.id, &principal.name),
            json!({"client": CLIENT}),
        )?;
        self.store.append_audit(audit).await?;
        Ok(self.store.delete_session(SessionKind::Cookie, browsing.session).await?)
    }

    /// Whether the caller may make and change policies: asked before a form for it is shown.
    pub fn may_write_policies(&self, caller: &Caller) -> Result<()> {
        self.require(caller, Action::PolicyWrite)
    }

    /// Whether the caller may make and change groups.
    pub fn may_write_groups(&self, caller: &Caller) -> Result<()> {
        self.require(caller, Action::GroupWrite)
    }

    /// Whether the caller may see people and roles.
    pub fn may_read_people(&self, caller: &Caller) -> Result<()> {
        self.require(caller, Action::PeopleRead)
    }

    /// Whether the caller may make people and roles.
    pub fn may_write_people(&self, caller: &Caller) -> Result<()> {
        self.require(caller, Action::PeopleWrite)
    }

    /// Whether the caller may list join tokens.
    pub fn may_read_join_tokens(&self, caller: &Caller) -> Result<()> {
        self.require(caller, Action::JoinTokenRead)
    }

    /// Whether the caller may make and revoke join tokens.
    pub fn may_write_join_tokens(&self, caller: &Caller) -> Result<()> {
        self.require(caller, Action::JoinTokenWrite)
    }

    /// Whether the caller may change the settings: for the forms that lead there.
    pub fn may_write_settings(&self, caller: &Caller) -> Result<()> {
        self.require(caller, Action::SettingsWrite)
    }

    /// What the person may open.
    pub async fn sections(&self, caller: &Caller) -> Result<Sections> {
        let may = |action| authz::decide(caller, action, Target::Tenant).is_ok();
        Ok(Sections {
            coverage: authz::reach(caller, Action::Explain).is_ok(),
            devices: authz::reach(caller, Action::DeviceRead).is_ok(),
            groups: may(Action::GroupRead),
            rotations: may(Action::AuditRead) || authz::reach(caller, Action::Rotate).is_ok(),
            rotate: authz::reach(caller, Action::Rotate).is_ok(),
            revoke: may(Action::Revoke),
            access: authz::reach(caller, Action::AccessApprove).is_ok()
                || authz::reach(caller, Action::CredentialReveal).is_ok(),
            reading_rules: may(Action::GroupRead),
            policies: may(Action::PolicyRead),
            people: may(Action::PeopleRead),
            audit: may(Action::AuditRead),
            settings: may(Action::SettingsRead),
            write_policies: may(Action::PolicyWrite),
            write_people: may(Action::PeopleWrite),
            write_switch: may(Action::RegistrationPolicyWrite),
            write_settings: may(Action::SettingsWrite),
            escrow: authz::reach(caller, Action::CredentialExport).is_ok(),
            laps_enabled: self.store.tenant().await?.settings.laps_enabled,
        })
    }
}

fn ended() -> Error {
    Error::refused(
        Kind::NotSignedIn,
        "session_ended",
        "your session has ended, or your rights changed since it began; sign in again",
    )
}

/// The new end of a session that is used now; `None` while the stored one is good enough.
fn touched(session: &Session, now: Timestamp) -> Option<Timestamp> {
    let latest = session.created_at.plus_seconds(LIFE_S);
    let until = now.plus_seconds(IDLE_S).min(latest);
    (until.ticks_since(session.expires_at) >= TOUCH_S * TICKS_PER_SECOND).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(created_at: Timestamp, expires_at: Timestamp) -> Session {
        Session {
            hash: [0; 32],
            kind: SessionKind::Cookie,
            family: [0; 16],
            principal: laps::id::PrincipalId::from_random_bytes([1; 16]),
            epoch: 1,
            data: String::new(),
            created_at,
            expires_at,
        }
    }

    #[test]
    fn use_moves_the_end_and_never_past_the_life() {
        let start = Timestamp::from_unix_ms(1_790_000_000_000);
        let fresh = session(start, start.plus_seconds(IDLE_S));
        assert_eq!(touched(&fresh, start.plus_seconds(TOUCH_S - 1)), None);
        assert_eq!(touched(&fresh, start.plus_seconds(TOUCH_S)), Some(start.plus_seconds(TOUCH_S + IDLE_S)));
        let old = session(start, start.plus_seconds(LIFE_S - 600));
        assert_eq!(touched(&old, start.plus_seconds(LIFE_S - 700)), Some(start.plus_seconds(LIFE_S)));
        let last = session(start, start.plus_seconds(LIFE_S));
        assert_eq!(touched(&last, start.plus_seconds(LIFE_S - 1)), None, "the life is over soon, whatever happens");
    }
}

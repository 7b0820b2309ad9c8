//! Sessions, device codes, replay caches and counters against guessing.

use super::state::{CodeRow, Failures, State};
use laps::{
    id::PrincipalId,
    time::{TICKS_PER_DAY, TICKS_PER_SECOND, Timestamp},
};
use server::{audit::AuditEntry, store::*};

impl State {
    pub(super) fn put_session(&mut self, session: Session) -> Result<(), StoreError> {
        if self.sessions.contains_key(&(session.kind, session.hash)) {
            return Err(StoreError::Exists("session"));
        }
        self.sessions.insert((session.kind, session.hash), (session, false));
        Ok(())
    }

    pub(super) fn session(
        &self,
        kind: SessionKind,
        hash: SecretHash,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let good =
            |session: &&Session| now < session.expires_at && self.epoch_of(session.principal) == Some(session.epoch);
        let found = self.sessions.get(&(kind, hash)).filter(|(_, used)| !used).map(|(session, _)| session);
        Ok(found.filter(good).cloned())
    }

    pub(super) fn replace_session(
        &mut self,
        old: SecretHash,
        new: SecretHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Replaced, StoreError> {
        let kind = SessionKind::Refresh;
        let Some((former, used)) = self.sessions.get(&(kind, old)).cloned() else { return Ok(Replaced::Unknown) };
        if used {
            self.sessions.retain(|_, (session, _)| session.family != former.family);
            return Ok(Replaced::Reused);
        }
        if self.session(kind, old, now)?.is_none() {
            return Ok(Replaced::Unknown);
        }
        if let Some((_, used)) = self.sessions.get_mut(&(kind, old)) {
            *used = true;
        }
        let session = Session { hash: new, created_at: now, expires_at, ..former };
        self.put_session(session.clone())?;
        Ok(Replaced::Done(session))
    }

    pub(super) fn extend_session(
        &mut self,
        kind: SessionKind,
        hash: SecretHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.session(kind, hash, now)?.is_none() {
            return Ok(false);
        }
        if let Some((session, _)) = self.sessions.get_mut(&(kind, hash)) {
            session.expires_at = expires_at;
        }
        Ok(true)
    }

    pub(super) fn delete_session(&mut self, kind: SessionKind, hash: SecretHash) -> Result<(), StoreError> {
        self.sessions.remove(&(kind, hash));
        Ok(())
    }

    pub(super) fn delete_sessions_of(&mut self, principal: PrincipalId) -> Result<u64, StoreError> {
        let before = self.sessions.len();
        self.sessions.retain(|_, (session, _)| session.principal != principal);
        Ok((before - self.sessions.len()) as u64)
    }

    pub(super) fn create_device_code(&mut self, code: DeviceCode) -> Result<(), StoreError> {
        if self.codes.contains_key(&code.hash) || self.codes.values().any(|row| row.code.user_code == code.user_code) {
            return Err(StoreError::Exists("device code"));
        }
        self.codes.insert(code.hash, CodeRow { code, answer: None, asked_at: None });
        Ok(())
    }

    pub(super) fn device_code_by_user_code(
        &self,
        user_code: String,
        now: Timestamp,
    ) -> Result<Option<DeviceCode>, StoreError> {
        let open =
            |row: &&CodeRow| row.code.user_code == user_code && row.answer.is_none() && now < row.code.expires_at;
        Ok(self.codes.values().find(open).map(|row| row.code.clone()))
    }

    pub(super) fn answer_device_code(
        &mut self,
        user_code: String,
        principal: Option<PrincipalId>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        let found = self.codes.values_mut().find(|row| row.code.user_code == user_code);
        let row = found.ok_or(StoreError::TokenUnknown)?;
        if row.answer.is_some() {
            return Err(StoreError::TokenUsed);
        }
        if now >= row.code.expires_at {
            return Err(StoreError::TokenExpired);
        }
        row.answer = Some(principal);
        self.append_audit(audit)
    }

    pub(super) fn poll_device_code(
        &mut self,
        hash: SecretHash,
        client_id: String,
        now: Timestamp,
    ) -> Result<DeviceCodePoll, StoreError> {
        let Some(row) = self.codes.get_mut(&hash) else { return Ok(DeviceCodePoll::Expired) };
        if row.code.client_id != client_id || now >= row.code.expires_at {
            return Ok(DeviceCodePoll::Expired);
        }
        if let Some(answer) = row.answer {
            let code = row.code.clone();
            self.codes.remove(&hash);
            return Ok(match answer {
                Some(principal) => DeviceCodePoll::Approved { principal, code },
                None => DeviceCodePoll::Denied,
            });
        }
        let interval = u64::from(row.code.interval_s) * TICKS_PER_SECOND;
        let early = row.asked_at.is_some_and(|at| now.ticks_since(at) < interval);
        row.asked_at = Some(now);
        if early {
            row.code.interval_s += 5;
            return Ok(DeviceCodePoll::SlowDown);
        }
        Ok(DeviceCodePoll::Pending)
    }

    pub(super) fn use_once(
        &mut self,
        purpose: &'static str,
        key: SecretHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        match self.used.get(&(purpose, key)) {
            Some(until) if now < *until => Ok(false),
            _ => {
                self.used.insert((purpose, key), expires_at);
                Ok(true)
            }
        }
    }

    pub(super) fn count_failure(
        &mut self,
        key: String,
        rule: LockoutRule,
        now: Timestamp,
    ) -> Result<Lockout, StoreError> {
        let fresh = Failures { number: 0, window_ends_at: now.plus_seconds(rule.window_s), locked_until: None };
        let mut counter = self.failures.get(&key).copied().filter(|known| now < known.window_ends_at).unwrap_or(fresh);
        counter.number += 1;
        if counter.number >= rule.threshold {
            let until = now.plus_seconds(rule.lock_s);
            counter.locked_until = Some(until);
            counter.window_ends_at = counter.window_ends_at.max(until);
        }
        self.failures.insert(key.clone(), counter);
        self.lockout(key, now)
    }

    pub(super) fn count_guess(
        &mut self,
        key: String,
        rule: LockoutRule,
        now: Timestamp,
    ) -> Result<Option<Lockout>, StoreError> {
        if self.lockout(key.clone(), now)?.locked_until.is_some() {
            return Ok(None);
        }
        self.count_failure(key, rule, now).map(Some)
    }

    pub(super) fn take_back_guess(&mut self, key: String) -> Result<(), StoreError> {
        if let Some(counter) = self.failures.get_mut(&key) {
            counter.number = counter.number.saturating_sub(1);
            counter.locked_until = None;
        }
        self.failures.retain(|known, counter| *known != key || counter.number > 0);
        Ok(())
    }

    pub(super) fn lockout(&self, key: String, now: Timestamp) -> Result<Lockout, StoreError> {
        let counter = self.failures.get(&key).filter(|counter| now < counter.window_ends_at);
        Ok(counter.map_or(Lockout::default(), |counter| Lockout {
            failures: counter.number,
            locked_until: counter.locked_until.filter(|until| now < *until),
        }))
    }

    pub(super) fn clear_failures(&mut self, key: String) -> Result<(), StoreError> {
        self.failures.remove(&key);
        Ok(())
    }

    pub(super) fn sweep(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let count = |state: &Self| {
            state.sessions.len()
                + state.codes.len()
                + state.used.len()
                + state.failures.len()
                + state.work.len()
                + state.means.tickets.len()
                + state.means.tokens.len()
        };
        let before = count(self);
        self.sessions.retain(|_, (session, _)| now < session.expires_at);
        self.codes.retain(|_, row| now < row.code.expires_at);
        self.used.retain(|_, until| now < *until);
        self.means.tickets.retain(|_, (_, until)| now < *until);
        self.means.tokens.retain(|_, token| now < token.expires_at);
        self.failures.retain(|_, counter| now < counter.window_ends_at);
        // The newest piece of work stays: it carries the sequence that watchers know.
        let newest = self.newest_work();
        self.work.retain(|(at, work)| work.sequence == newest || now.ticks_since(*at) < TICKS_PER_DAY);
        Ok((before - count(self)) as u64 + self.sweep_access(now))
    }
}

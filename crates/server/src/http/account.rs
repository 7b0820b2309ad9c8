//! Routes of one's own account, and of what administrators do about those of others.

use super::asked::Who;
use super::lapwing::{Answer, created, done, ok, principal};
use super::{from_json, no_store};
use axum::body::Bytes;
use axum::extract::Path;
use proto::admin::{List, PasskeySignIn};
use serde::Serialize;

fn list<T: Serialize>(items: Vec<T>) -> Answer {
    ok(&List { value: items, next_link: None })
}

/// Secrets that are shown this once.
fn shown<T: Serialize>(body: &T) -> Answer {
    let mut response = ok(body)?;
    no_store(&mut response);
    Ok(response)
}

pub(crate) async fn my_factors(who: Who) -> Answer {
    ok(&who.app.my_factors(&who.caller).await?)
}

pub(crate) async fn factors(who: Who, Path(id): Path<String>) -> Answer {
    ok(&who.app.factors(&who.caller, principal(&id)?).await?)
}

pub(crate) async fn change_password(who: Who, body: Bytes) -> Answer {
    who.app.change_password(&who.caller, &from_json(&body)?).await?;
    done()
}

pub(crate) async fn begin_totp(who: Who) -> Answer {
    shown(&who.app.begin_totp(&who.caller).await?)
}

pub(crate) async fn confirm_totp(who: Who, body: Bytes) -> Answer {
    shown(&who.app.confirm_totp(&who.caller, &from_json(&body)?).await?)
}

pub(crate) async fn remove_totp(who: Who, body: Bytes) -> Answer {
    who.app.remove_totp(&who.caller, &from_json(&body)?).await?;
    done()
}

pub(crate) async fn reset_totp(who: Who, Path(id): Path<String>) -> Answer {
    who.app.reset_totp(&who.caller, principal(&id)?).await?;
    done()
}

pub(crate) async fn my_sessions(who: Who) -> Answer {
    list(who.app.my_sessions(&who.caller).await?)
}

pub(crate) async fn end_my_session(who: Who, Path(session): Path<String>) -> Answer {
    who.app.end_my_session(&who.caller, &session).await?;
    done()
}

pub(crate) async fn sessions(who: Who, Path(id): Path<String>) -> Answer {
    list(who.app.sessions(&who.caller, principal(&id)?).await?)
}

pub(crate) async fn end_session(who: Who, Path((id, session)): Path<(String, String)>) -> Answer {
    who.app.end_session(&who.caller, principal(&id)?, &session).await?;
    done()
}

pub(crate) async fn unlock_user(who: Who, Path(id): Path<String>) -> Answer {
    who.app.unlock_user(&who.caller, principal(&id)?).await?;
    done()
}

pub(crate) async fn unlock_address(who: Who, Path(address): Path<String>) -> Answer {
    who.app.unlock_address(&who.caller, &address).await?;
    done()
}

pub(crate) async fn my_api_tokens(who: Who) -> Answer {
    list(who.app.my_api_tokens(&who.caller).await?)
}

pub(crate) async fn create_api_token(who: Who, body: Bytes) -> Answer {
    created(&who.app.create_api_token(&who.caller, &from_json(&body)?).await?)
}

pub(crate) async fn revoke_my_api_token(who: Who, Path(token): Path<String>) -> Answer {
    who.app.revoke_my_api_token(&who.caller, &token).await?;
    done()
}

pub(crate) async fn api_tokens(who: Who) -> Answer {
    list(who.app.api_tokens(&who.caller).await?)
}

pub(crate) async fn revoke_api_token(who: Who, Path(token): Path<String>) -> Answer {
    who.app.revoke_api_token(&who.caller, &token).await?;
    done()
}

pub(crate) async fn client_keys(who: Who, Path(id): Path<String>) -> Answer {
    list(who.app.client_keys(&who.caller, principal(&id)?).await?)
}

pub(crate) async fn add_client_key(who: Who, Path(id): Path<String>, body: Bytes) -> Answer {
    created(&who.app.add_client_key(&who.caller, principal(&id)?, &from_json(&body)?).await?)
}

pub(crate) async fn remove_client_key(who: Who, Path((id, key)): Path<(String, String)>) -> Answer {
    who.app.remove_client_key(&who.caller, principal(&id)?, &key).await?;
    done()
}

pub(crate) async fn begin_passkey(who: Who) -> Answer {
    shown(&who.app.begin_passkey(&who.caller).await?)
}

pub(crate) async fn register_passkey(who: Who, body: Bytes) -> Answer {
    created(&who.app.register_passkey(&who.caller, &from_json(&body)?).await?)
}

pub(crate) async fn remove_my_passkey(who: Who, Path(passkey): Path<String>) -> Answer {
    who.app.remove_my_passkey(&who.caller, &passkey).await?;
    done()
}

pub(crate) async fn reset_passkeys(who: Who, Path(id): Path<String>) -> Answer {
    who.app.reset_passkeys(&who.caller, principal(&id)?).await?;
    done()
}

pub(crate) async fn begin_passkey_sign_in(who: Who, body: Bytes) -> Answer {
    let asked: PasskeySignIn = from_json(&body)?;
    shown(&who.app.begin_passkey_sign_in(&who.caller, &asked.user_name).await?)
}

pub(crate) async fn verify_by_passkey(who: Who, body: Bytes) -> Answer {
    shown(&who.app.verify_by_passkey(&who.caller, &from_json(&body)?).await?)
}

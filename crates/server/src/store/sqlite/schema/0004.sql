-- Roles that people made. Built-in ones are in the program.
CREATE TABLE custom_role (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL UNIQUE,
    actions TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- A group with one of these has the devices that fit all of them; its rows of member follow.
ALTER TABLE grp ADD COLUMN filter_name TEXT;
ALTER TABLE grp ADD COLUMN filter_os TEXT;
ALTER TABLE grp ADD COLUMN filter_agent_version TEXT;
ALTER TABLE grp ADD COLUMN filter_joined_from INTEGER;
ALTER TABLE grp ADD COLUMN filter_joined_until INTEGER;

-- Secrets that must be read again, sealed as passwords are; the name is bound into the envelope.
CREATE TABLE kept_secret (
    name TEXT PRIMARY KEY,
    kind INTEGER NOT NULL,
    key INTEGER NOT NULL REFERENCES key (no),
    wrapped_key BLOB NOT NULL,
    nonce BLOB NOT NULL,
    ciphertext BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX kept_secret_key ON kept_secret (key);

-- Who has a one-time password generator; its secret is the kept one "totp/<principal>".
CREATE TABLE totp (
    principal BLOB PRIMARY KEY REFERENCES principal (id) ON DELETE CASCADE,
    enrolled_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE recovery_code (
    principal BLOB NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
    hash BLOB NOT NULL,
    PRIMARY KEY (principal, hash)
) STRICT, WITHOUT ROWID;
CREATE TABLE passkey (
    id BLOB PRIMARY KEY,
    principal BLOB NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    data TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX passkey_principal ON passkey (principal);
-- What a sign-in or an enrolment has come to so far: good once, for minutes.
CREATE TABLE ticket (
    hash BLOB NOT NULL,
    purpose TEXT NOT NULL,
    data TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (hash, purpose)
) STRICT, WITHOUT ROWID;
CREATE TABLE api_token (
    id BLOB PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    principal BLOB NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_token_principal ON api_token (principal);
-- Public keys that a service principal signs assertions with.
CREATE TABLE client_key (
    id BLOB PRIMARY KEY,
    principal BLOB NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    public_key BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX client_key_principal ON client_key (principal);
-- Foreign OpenID providers, and which of their subjects is which user. The client secret of a provider is the kept
-- one "oidc/<id>".
CREATE TABLE identity_provider (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    issuer TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    ca TEXT,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE identity_link (
    provider BLOB NOT NULL REFERENCES identity_provider (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    principal BLOB NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
    linked_at INTEGER NOT NULL,
    PRIMARY KEY (provider, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_link_principal ON identity_link (principal);

-- Times are FILETIME ticks, ids are the 16 bytes of RFC 9562, words are those of the Rust enums.

CREATE TABLE tenant (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    initialised_at INTEGER NOT NULL,
    restored_from INTEGER,
    restored_at INTEGER,
    laps_enabled INTEGER NOT NULL,
    tombstone_days INTEGER NOT NULL,
    versions_per_day INTEGER NOT NULL,
    unresolved_max INTEGER NOT NULL,
    registration_policy TEXT NOT NULL,
    revision INTEGER NOT NULL,
    clock_seen_at INTEGER NOT NULL,
    clock_held_at INTEGER
) STRICT;

-- The one order of versions, rotation requests, work, events and deliveries.
CREATE TABLE sequence (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL) STRICT;
INSERT INTO sequence VALUES (1, 0);

CREATE TABLE key (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    active INTEGER NOT NULL,
    retired_at INTEGER
) STRICT;
CREATE UNIQUE INDEX key_active ON key (active) WHERE active = 1;

CREATE TABLE audit (
    chain INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    activity TEXT NOT NULL,
    category TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target_id TEXT NOT NULL,
    target_name TEXT NOT NULL,
    failure TEXT,
    request_id TEXT NOT NULL,
    client TEXT NOT NULL,
    detail TEXT NOT NULL,
    disclosed BLOB NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (chain, sequence)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_append_only BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;

CREATE TABLE audit_head (
    chain INTEGER PRIMARY KEY,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL,
    signed_at INTEGER NOT NULL,
    signature BLOB NOT NULL
) STRICT;
CREATE TABLE audit_checkpoint (
    chain INTEGER PRIMARY KEY,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL,
    signed_at INTEGER NOT NULL,
    signature BLOB NOT NULL
) STRICT;

CREATE TABLE device (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    os TEXT NOT NULL,
    agent_version TEXT NOT NULL,
    state TEXT NOT NULL,
    revision INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,
    deleted_at INTEGER,
    purged_at INTEGER,
    reported_since_deletion INTEGER NOT NULL DEFAULT 0,
    predecessor BLOB REFERENCES device (id),
    public_key BLOB NOT NULL,
    installed BLOB,
    fork_open INTEGER NOT NULL DEFAULT 0,
    forked_at INTEGER,
    clone_suspected INTEGER NOT NULL DEFAULT 0,
    from_backup_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX device_name ON device (name_folded);
CREATE INDEX device_predecessor ON device (predecessor) WHERE predecessor IS NOT NULL;
CREATE INDEX device_deleted ON device (deleted_at) WHERE state = 'deleted';

CREATE TABLE seen (device BLOB PRIMARY KEY REFERENCES device (id), at INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE certificate (
    fingerprint BLOB PRIMARY KEY,
    device BLOB NOT NULL REFERENCES device (id),
    serial BLOB NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX certificate_device ON certificate (device);

CREATE TABLE grp (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE member (
    grp BLOB NOT NULL REFERENCES grp (id),
    device BLOB NOT NULL REFERENCES device (id),
    PRIMARY KEY (device, grp)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_grp ON member (grp);

CREATE TABLE join_token (
    id BLOB PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    note TEXT NOT NULL,
    grp BLOB REFERENCES grp (id),
    created_by BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    used_by BLOB REFERENCES device (id),
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    device BLOB NOT NULL REFERENCES device (id),
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX event_device ON event (device, sequence);

CREATE TABLE version (
    device BLOB NOT NULL REFERENCES device (id),
    version BLOB NOT NULL,
    account_id TEXT NOT NULL,
    account_name TEXT NOT NULL,
    state TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    proof TEXT,
    stored_at INTEGER NOT NULL,
    device_time INTEGER,
    set_at INTEGER,
    proven_at INTEGER,
    ended_at INTEGER,
    expires_at INTEGER,
    released_at INTEGER,
    from_backup_at INTEGER,
    kind INTEGER NOT NULL,
    key INTEGER NOT NULL REFERENCES key (no),
    wrapped_key BLOB NOT NULL,
    nonce BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    PRIMARY KEY (device, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX version_key ON version (key);

CREATE TABLE report (
    device BLOB PRIMARY KEY REFERENCES device (id),
    account_id TEXT,
    account_name TEXT,
    usability TEXT NOT NULL,
    installed BLOB,
    acknowledged BLOB,
    intent BLOB,
    last_error TEXT,
    evidence TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE request (
    sequence INTEGER PRIMARY KEY,
    device BLOB NOT NULL REFERENCES device (id),
    requested_by BLOB NOT NULL,
    requested_at INTEGER NOT NULL,
    met_at INTEGER,
    met_by BLOB
) STRICT;
CREATE INDEX request_device ON request (device, sequence);

CREATE TABLE work (
    sequence INTEGER PRIMARY KEY,
    device BLOB,
    grp BLOB,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE TABLE policy (
    id BLOB PRIMARY KEY,
    name_folded TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE policy_version (
    policy BLOB NOT NULL REFERENCES policy (id),
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    settings TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (policy, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE assignment (
    policy BLOB NOT NULL REFERENCES policy (id),
    grp BLOB NOT NULL,
    assigned_at INTEGER NOT NULL,
    PRIMARY KEY (policy, grp)
) STRICT, WITHOUT ROWID;
CREATE INDEX assignment_grp ON assignment (grp);

CREATE TABLE delivery (
    device BLOB NOT NULL REFERENCES device (id),
    in_force INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    digest BLOB NOT NULL,
    settings TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    answered_at INTEGER,
    statuses TEXT NOT NULL,
    PRIMARY KEY (device, in_force)
) STRICT, WITHOUT ROWID;
CREATE TABLE hold (device BLOB PRIMARY KEY REFERENCES device (id), reason TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Users and service principals.
CREATE TABLE principal (
    id BLOB PRIMARY KEY,
    is_user INTEGER NOT NULL,
    user_name TEXT,
    user_name_folded TEXT UNIQUE,
    display_name TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    password_hash TEXT,
    one_time_hash BLOB,
    one_time_until INTEGER,
    permissions TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE client_secret (
    id BLOB PRIMARY KEY,
    principal BLOB NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
    hash BLOB NOT NULL,
    hint TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX client_secret_principal ON client_secret (principal);
CREATE TABLE role (
    id BLOB PRIMARY KEY,
    principal BLOB NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    scope BLOB REFERENCES grp (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX role_principal ON role (principal);

CREATE TABLE session (
    hash BLOB NOT NULL,
    kind TEXT NOT NULL,
    family BLOB NOT NULL,
    principal BLOB NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
    epoch INTEGER NOT NULL,
    data TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (hash, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_principal ON session (principal);
CREATE INDEX session_family ON session (family);
CREATE TABLE device_code (
    hash BLOB PRIMARY KEY,
    user_code TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    interval_s INTEGER NOT NULL,
    polled_at INTEGER,
    answered_at INTEGER,
    principal BLOB REFERENCES principal (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE TABLE used (
    purpose TEXT NOT NULL,
    key BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (purpose, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE failure (
    key TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    window_ends_at INTEGER NOT NULL,
    locked_until INTEGER
) STRICT, WITHOUT ROWID;

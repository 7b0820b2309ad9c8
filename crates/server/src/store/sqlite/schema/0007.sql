-- Rotations of many devices.
CREATE TABLE campaign (
    id BLOB PRIMARY KEY,
    sequence INTEGER NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    by_kind TEXT NOT NULL,
    by_id BLOB NOT NULL,
    by_name TEXT NOT NULL,
    reason TEXT NOT NULL,
    selector TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    place TEXT,
    gathered_at INTEGER,
    completed_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX campaign_open ON campaign (sequence) WHERE completed_at IS NULL;
CREATE TABLE campaign_device (
    campaign BLOB NOT NULL REFERENCES campaign (id),
    device BLOB NOT NULL REFERENCES device (id),
    state TEXT NOT NULL,
    reason TEXT,
    exposed INTEGER,
    request INTEGER,
    met_by BLOB,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (campaign, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX campaign_device_state ON campaign_device (campaign, state, device);
CREATE INDEX campaign_device_requested ON campaign_device (device) WHERE state = 'requested';
-- Who was given which versions: what a revocation looks through.
CREATE INDEX audit_disclosed ON audit (actor_id, sequence) WHERE length(disclosed) > 0;

-- Groups that a policy does not apply to, whatever else brings it.
CREATE TABLE exclusion (
    policy BLOB NOT NULL REFERENCES policy (id),
    grp BLOB NOT NULL,
    excluded_at INTEGER NOT NULL,
    PRIMARY KEY (policy, grp)
) STRICT, WITHOUT ROWID;
CREATE INDEX exclusion_grp ON exclusion (grp);
-- In which order new versions of a policy reach its devices.
CREATE TABLE ring_plan (policy BLOB PRIMARY KEY REFERENCES policy (id), plan TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- The last version that went by rings.
CREATE TABLE rollout (
    policy BLOB PRIMARY KEY REFERENCES policy (id),
    former INTEGER NOT NULL,
    wanted INTEGER NOT NULL,
    plan TEXT NOT NULL,
    state TEXT NOT NULL,
    ring INTEGER NOT NULL,
    ring_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Since when a device's last error is the one that it is.
CREATE TABLE device_error (device BLOB PRIMARY KEY REFERENCES device (id), at INTEGER NOT NULL) STRICT, WITHOUT ROWID;

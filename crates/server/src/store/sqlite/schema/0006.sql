-- What reading asks for, by group; the group of all devices has no row of its own in grp.
CREATE TABLE reading_rule (
    grp BLOB PRIMARY KEY,
    reason INTEGER NOT NULL,
    ticket INTEGER NOT NULL,
    ticket_pattern TEXT,
    approvals INTEGER NOT NULL,
    approval_minutes INTEGER NOT NULL,
    approval_reads INTEGER NOT NULL,
    rotate_after_minutes INTEGER
) STRICT, WITHOUT ROWID;

-- Requests to read a device's passwords, and their answers.
CREATE TABLE access_request (
    sequence INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    device BLOB NOT NULL REFERENCES device (id),
    principal BLOB NOT NULL,
    principal_name TEXT NOT NULL,
    reason TEXT NOT NULL,
    ticket TEXT,
    asked_at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    approvals INTEGER NOT NULL,
    reads INTEGER NOT NULL,
    reads_left INTEGER NOT NULL,
    cancelled_at INTEGER
) STRICT;
CREATE INDEX access_request_device ON access_request (device, principal);
CREATE INDEX access_request_principal ON access_request (principal);
CREATE INDEX access_request_until ON access_request (until);
CREATE TABLE access_answer (
    request INTEGER NOT NULL REFERENCES access_request (sequence) ON DELETE CASCADE,
    principal BLOB NOT NULL,
    principal_name TEXT NOT NULL,
    approved INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (request, principal)
) STRICT, WITHOUT ROWID;

-- Rotations that follow reads.
CREATE TABLE rotation_due (
    device BLOB PRIMARY KEY REFERENCES device (id),
    due_at INTEGER NOT NULL,
    read_by BLOB NOT NULL,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX rotation_due_at ON rotation_due (due_at);

-- Questions to the audit log. Its key ends each of them, so that they give the records in their order.
CREATE INDEX audit_actor ON audit (actor_id, chain, sequence);
CREATE INDEX audit_target ON audit (target_id, chain, sequence);
CREATE INDEX audit_activity ON audit (activity, chain, sequence);
CREATE INDEX audit_at ON audit (chain, at);
CREATE INDEX audit_failure ON audit (chain, sequence) WHERE failure IS NOT NULL;
-- Days that records are kept; 0 keeps all.
ALTER TABLE tenant ADD COLUMN audit_days INTEGER NOT NULL DEFAULT 0;

-- Who is told of reads. What a channel was told of is a place in the audit log, which is its outbox.
CREATE TABLE channel (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    everything INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    position INTEGER NOT NULL,
    delivered_at INTEGER,
    dropped INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    retry_at INTEGER,
    last_error TEXT
) STRICT, WITHOUT ROWID;

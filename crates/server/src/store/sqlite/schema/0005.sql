-- Escrow exports, and the newest one that holds a password of a device. A device that was purged keeps its row here.
CREATE TABLE export (
    sequence INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    made_at INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    scheduled INTEGER NOT NULL,
    recipients TEXT NOT NULL,
    devices INTEGER NOT NULL,
    versions INTEGER NOT NULL,
    proof_hash BLOB NOT NULL,
    drilled_at INTEGER,
    drilled_by TEXT
) STRICT;
CREATE TABLE exported (
    device BLOB PRIMARY KEY REFERENCES device (id),
    export INTEGER NOT NULL REFERENCES export (sequence)
) STRICT, WITHOUT ROWID;
-- The scheduled export: age recipients, one after another with a space between; 0 days is never.
ALTER TABLE tenant ADD COLUMN escrow_recipients TEXT NOT NULL DEFAULT '';
ALTER TABLE tenant ADD COLUMN escrow_interval_days INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenant ADD COLUMN escrow_folder TEXT NOT NULL DEFAULT 'escrow';
ALTER TABLE tenant ADD COLUMN escrow_kept INTEGER NOT NULL DEFAULT 4;
-- A request to rotate that no proof will meet: when it was closed, and the code that says why.
ALTER TABLE request ADD COLUMN closed_at INTEGER;
ALTER TABLE request ADD COLUMN closed_code TEXT;

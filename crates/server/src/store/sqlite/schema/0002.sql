-- Sign-ins with managed accounts, as devices tell them.
CREATE TABLE password_use (
    device BLOB NOT NULL REFERENCES device (id),
    id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    version BLOB NOT NULL,
    account_name TEXT NOT NULL,
    service TEXT NOT NULL,
    origin TEXT,
    at INTEGER NOT NULL,
    deadline INTEGER,
    reported_at INTEGER NOT NULL,
    PRIMARY KEY (device, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX password_use_device ON password_use (device, sequence);
-- The reads of one device's passwords, which its uses are paired with.
CREATE INDEX audit_reads ON audit (target_id, sequence)
    WHERE activity = 'Recover device local administrator password' AND failure IS NULL;

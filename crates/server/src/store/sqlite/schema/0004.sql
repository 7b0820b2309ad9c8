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

-- Repairs of drift in 24 h after which a device holds repair (rotation.md 10).
ALTER TABLE tenant ADD COLUMN repairs_per_day INTEGER NOT NULL DEFAULT 3;

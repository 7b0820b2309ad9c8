-- Since when a device is disabled. Of one that was disabled before this was kept it is not known.
ALTER TABLE device ADD COLUMN disabled_at INTEGER;

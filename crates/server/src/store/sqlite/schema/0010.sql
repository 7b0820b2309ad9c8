-- Campaigns that somebody called off.
ALTER TABLE campaign ADD COLUMN cancelled_at INTEGER;
ALTER TABLE campaign ADD COLUMN cancelled_by TEXT;
-- Whether a person asked for this device alone: such a request does not end with a campaign. Of older ones that is
-- not known, so they stay.
ALTER TABLE request ADD COLUMN alone INTEGER NOT NULL DEFAULT 1;

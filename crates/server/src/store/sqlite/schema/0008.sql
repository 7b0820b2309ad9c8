-- Why somebody answered a request for access as it was answered.
ALTER TABLE access_answer ADD COLUMN reason TEXT;
-- A channel that is told of nothing until somebody resumes it; it goes on from its place then.
ALTER TABLE channel ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;

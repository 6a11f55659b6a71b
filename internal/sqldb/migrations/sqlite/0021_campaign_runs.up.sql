-- The last version of each run, kept for verifying and auditing it after the next one has begun.
CREATE TABLE campaign_runs (
  campaign TEXT NOT NULL,
  run INTEGER NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (campaign, run)
);

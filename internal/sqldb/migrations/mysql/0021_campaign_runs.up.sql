-- The last version of each run, kept for verifying and auditing it after the next one has begun.
CREATE TABLE campaign_runs (
  campaign VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  run BIGINT NOT NULL,
  doc MEDIUMTEXT NOT NULL,
  PRIMARY KEY (campaign, run)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The current version of each campaign. doc is game.Campaign as JSON; version guards every change; settled says that the run is over.
CREATE TABLE campaigns (
  id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  market CHAR(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  version BIGINT NOT NULL,
  run BIGINT NOT NULL,
  settled BOOLEAN NOT NULL,
  doc MEDIUMTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

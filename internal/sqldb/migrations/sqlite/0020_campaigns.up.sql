-- The current version of each campaign. doc is game.Campaign as JSON; version guards every change; settled says that the run is over.
CREATE TABLE campaigns (
  id TEXT NOT NULL PRIMARY KEY,
  market TEXT NOT NULL,
  version INTEGER NOT NULL,
  run INTEGER NOT NULL,
  settled INTEGER NOT NULL,
  doc TEXT NOT NULL
);

-- A player's place on a final board; nobody has two.
CREATE UNIQUE INDEX final_places_by_user ON final_places (campaign, run, user);

-- What a player who comes back has not seen.
CREATE INDEX pushes_by_user ON pushes (user);

-- A player's inbox, newest first.
CREATE INDEX notices_by_user ON notices (user, created_at, id);

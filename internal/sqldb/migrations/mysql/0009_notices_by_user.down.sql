DROP INDEX notices_by_user ON notices;

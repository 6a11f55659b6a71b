-- What is to be pushed next.
CREATE INDEX pushes_by_due ON pushes (due_at);

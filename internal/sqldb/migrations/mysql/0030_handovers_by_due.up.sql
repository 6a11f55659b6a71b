-- What is to be given to the push service next.
CREATE INDEX handovers_by_due ON handovers (due_at);

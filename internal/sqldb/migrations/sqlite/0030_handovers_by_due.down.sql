DROP INDEX handovers_by_due;

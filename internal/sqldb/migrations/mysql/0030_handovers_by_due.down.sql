DROP INDEX handovers_by_due ON handovers;

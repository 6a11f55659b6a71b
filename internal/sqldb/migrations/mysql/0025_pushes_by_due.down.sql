DROP INDEX pushes_by_due ON pushes;

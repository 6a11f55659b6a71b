DROP INDEX pushes_by_user ON pushes;

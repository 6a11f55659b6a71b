DROP TABLE retired_runs;

DROP TABLE campaign_runs;

DROP TABLE fundings;

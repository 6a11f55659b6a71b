DROP INDEX judgements_by_campaign ON judgements;

DROP INDEX campaigns_by_settled;

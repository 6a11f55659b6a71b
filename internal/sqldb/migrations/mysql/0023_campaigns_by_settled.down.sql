DROP INDEX campaigns_by_settled ON campaigns;

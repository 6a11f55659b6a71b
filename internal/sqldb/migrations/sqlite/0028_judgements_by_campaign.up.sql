-- The newest judgements of a campaign.
CREATE INDEX judgements_by_campaign ON judgements (campaign, at);

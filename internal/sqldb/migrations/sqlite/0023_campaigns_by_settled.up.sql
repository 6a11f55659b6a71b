-- Workers look every second for the few campaigns that are not settled.
CREATE INDEX campaigns_by_settled ON campaigns (settled, id);

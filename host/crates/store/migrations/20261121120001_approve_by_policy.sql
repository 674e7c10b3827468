-- An approval that no person gave: the upgrade asks for nothing new, and the policy lets such pass.
ALTER TABLE applet_host.approvals ADD COLUMN by_policy boolean NOT NULL DEFAULT false;

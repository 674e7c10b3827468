-- When an installation left its tables: from then on it holds none of them and needs no database role,
-- whatever else still has to be done. Empty again once it has come back.
ALTER TABLE applet_host.installations ADD COLUMN left_at timestamptz;

-- Which files a package carries, `[{"path": …, "digest": …}]` in the order of their paths: part of what its
-- digest is over.
ALTER TABLE applet_host.applets ADD COLUMN assets jsonb NOT NULL DEFAULT '[]';

-- Whether the installation goes on answering hooks in its old version while the operation runs. Then its
-- state is left alone, and the operation ends by switching version, grants and limits at once.
ALTER TABLE applet_host.operations ADD COLUMN serving boolean NOT NULL DEFAULT false;

-- What an applet's manifest sets for its component, taken out of the manifest when it was submitted.
ALTER TABLE applet_host.applets ADD COLUMN variables jsonb NOT NULL DEFAULT '{}';

-- What a plan is for. An uninstall is planned, approved and spent like an install.
ALTER TABLE applet_host.plans
    ADD COLUMN kind text NOT NULL DEFAULT 'install' CHECK (kind IN ('install', 'uninstall'));

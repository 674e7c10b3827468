-- Files that packages carry beside manifest and component, by the SHA-256 of their bytes. Never changed,
-- only added.
CREATE TABLE applet_host.assets (
    digest     text PRIMARY KEY CHECK (digest ~ '^sha256:[0-9a-f]{64}$'),
    bytes      bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

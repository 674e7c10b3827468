-- Rows of a tenant that an uninstall has left behind, in tables that others may go on using (SPEC
-- Decision 5). Open until they are restored, purged or deleted; the record stays. Whose deadline runs is
-- decided by this database's clock alone.
CREATE TABLE applet_host.retentions (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id       uuid NOT NULL,
    applet_id       text NOT NULL,
    installation_id uuid NOT NULL,
    tables          text[] NOT NULL,
    retired_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    keep_hours      integer NOT NULL CHECK (keep_hours >= 0),
    keep_until      timestamptz NOT NULL,
    ended_at        timestamptz,
    outcome         text CHECK (outcome IN ('restored', 'purged', 'deleted')),
    rows            bigint,
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    FOREIGN KEY (tenant_id, installation_id) REFERENCES applet_host.installations (tenant_id, id)
);
-- The rows of a tenant are one, however many of its workspaces have had the applet.
CREATE UNIQUE INDEX retentions_open ON applet_host.retentions (tenant_id, applet_id) WHERE ended_at IS NULL;
CREATE INDEX retentions_due ON applet_host.retentions (keep_until) WHERE ended_at IS NULL;

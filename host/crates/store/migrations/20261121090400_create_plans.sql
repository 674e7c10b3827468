-- What an installation would take, as shown to the admin. Kept for ever: an approval refers to it.
CREATE TABLE applet_host.plans (
    id              uuid PRIMARY KEY,
    tenant_id       uuid NOT NULL,
    installation_id uuid NOT NULL,
    applet_digest   text NOT NULL REFERENCES applet_host.applets (digest),
    digest          text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    plan            jsonb NOT NULL,
    state           text NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'approved', 'rejected', 'applied', 'void')),
    created_by      uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, installation_id) REFERENCES applet_host.installations (tenant_id, id)
);
-- One plan at a time waits for a decision or for its installation.
CREATE UNIQUE INDEX plans_open ON applet_host.plans (installation_id) WHERE state IN ('pending', 'approved');
CREATE INDEX plans_by_installation ON applet_host.plans (installation_id, created_at);

-- An applet in a workspace. `state` is the state machine's; the columns below it say what runs once it
-- is active. `generation` grows with every change of what runs, so that caches can tell.
CREATE TABLE applet_host.installations (
    id            uuid PRIMARY KEY,
    tenant_id     uuid NOT NULL,
    workspace_id  uuid NOT NULL,
    applet_id     text NOT NULL,
    state         jsonb NOT NULL,
    applet_digest text REFERENCES applet_host.applets (digest),
    grants        jsonb,
    limits        jsonb NOT NULL DEFAULT '{}',
    generation    bigint NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, applet_id),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, workspace_id) REFERENCES applet_host.workspaces (tenant_id, id)
);

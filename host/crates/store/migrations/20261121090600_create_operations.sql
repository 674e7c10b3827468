-- The write-ahead log of multi-step work. `token` fences: whoever takes an operation over raises it, and
-- every later write of the one before is refused.
CREATE TABLE applet_host.operations (
    id              uuid PRIMARY KEY,
    tenant_id       uuid NOT NULL,
    workspace_id    uuid NOT NULL,
    installation_id uuid NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('install')),
    approval_id     uuid NOT NULL UNIQUE REFERENCES applet_host.approvals (id),
    state           text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
    token           bigint NOT NULL DEFAULT 1,
    lease_until     timestamptz NOT NULL DEFAULT now() + interval '60 seconds',
    failure         jsonb,
    created_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    FOREIGN KEY (tenant_id, workspace_id) REFERENCES applet_host.workspaces (tenant_id, id),
    FOREIGN KEY (tenant_id, installation_id) REFERENCES applet_host.installations (tenant_id, id)
);
-- A workspace changes in one place at a time.
CREATE UNIQUE INDEX operations_running ON applet_host.operations (workspace_id) WHERE state = 'running';

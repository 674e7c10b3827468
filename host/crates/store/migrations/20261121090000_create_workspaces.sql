-- A tenant's place for data. `tenants` itself belongs to the platform and may be mapped to another
-- table (SPEC Decision 17), so there is no foreign key to it from here.
CREATE TABLE applet_host.workspaces (
    id         uuid PRIMARY KEY,
    tenant_id  uuid NOT NULL,
    name       text NOT NULL,
    placement  text NOT NULL DEFAULT 'shared' CHECK (placement IN ('shared')),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Lets other tables refer to a workspace together with its tenant, so that the two cannot disagree.
    UNIQUE (tenant_id, id)
);

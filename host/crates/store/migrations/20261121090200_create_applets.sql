-- Submitted packages, each by the digest over its manifest and component. A later submission of the
-- same id and version is a row of its own: what is installed or approved keeps pointing at its digest.
CREATE TABLE applet_host.applets (
    digest           text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    sequence         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    id               text NOT NULL,
    version          text NOT NULL,
    component_digest text NOT NULL REFERENCES applet_host.components (digest),
    manifest         text NOT NULL,
    submitted_by     uuid,
    submitted_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX applets_by_id ON applet_host.applets (id, sequence);

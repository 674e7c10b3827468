-- An admin's decision (SPEC Decision 20): who, when, over exactly which applet and plan, what subset,
-- until when. Spent once: `consumed_at` is set by the one installation that wins.
CREATE TABLE applet_host.approvals (
    id              uuid PRIMARY KEY,
    tenant_id       uuid NOT NULL,
    installation_id uuid NOT NULL,
    plan_id         uuid NOT NULL,
    actor           uuid,
    decided_at      timestamptz NOT NULL DEFAULT now(),
    applet_digest   text NOT NULL,
    plan_digest     text NOT NULL,
    granted         jsonb NOT NULL,
    limits          jsonb NOT NULL,
    expires_at      timestamptz NOT NULL,
    consumed_at     timestamptz,
    voided_at       timestamptz,
    CHECK (expires_at > decided_at AND expires_at <= decided_at + interval '7 days'),
    FOREIGN KEY (tenant_id, plan_id) REFERENCES applet_host.plans (tenant_id, id),
    FOREIGN KEY (tenant_id, installation_id) REFERENCES applet_host.installations (tenant_id, id)
);
-- A later approval takes the place of an earlier one that was not used.
CREATE UNIQUE INDEX approvals_open ON applet_host.approvals (installation_id)
    WHERE consumed_at IS NULL AND voided_at IS NULL;
CREATE INDEX approvals_by_installation ON applet_host.approvals (installation_id, decided_at);

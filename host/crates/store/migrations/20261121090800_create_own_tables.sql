-- Which applet owns a physical table name. `a-b` + `c` and `a` + `b_c` would share one (SPEC S4.20).
CREATE TABLE applet_host.own_tables (
    physical_name text PRIMARY KEY,
    applet_id     text NOT NULL,
    claimed_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX own_tables_by_applet ON applet_host.own_tables (applet_id);

-- Intent and completion of every step of an operation (SPEC S4.30). A step without `done_at` may or may
-- not have taken effect: resuming looks at the database itself before doing it again.
CREATE TABLE applet_host.operation_steps (
    operation_id uuid NOT NULL REFERENCES applet_host.operations (id),
    ordinal      integer NOT NULL,
    name         text NOT NULL,
    intended_at  timestamptz NOT NULL DEFAULT now(),
    done_at      timestamptz,
    result       jsonb,
    PRIMARY KEY (operation_id, ordinal)
);

-- How far the chain has come: every record up to here, in the order of (xid, id), is sealed.
CREATE TABLE applet_host.audit_sealed (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    xid      xid8 NOT NULL,
    id       bigint NOT NULL
);
INSERT INTO applet_host.audit_sealed (xid, id) VALUES ('0', 0);

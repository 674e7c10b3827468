-- What PUBLIC has lost to us, and what others got by name instead: to be given back and taken away again.
-- Beside the rest of the host's schema, because rights may be moved before that is there.
CREATE SCHEMA IF NOT EXISTS applet_host;
REVOKE ALL ON SCHEMA applet_host FROM PUBLIC;
CREATE TABLE IF NOT EXISTS applet_host.moved_rights (
    class     oid NOT NULL,
    object    oid NOT NULL,
    sub       integer NOT NULL,
    grantee   oid NOT NULL,
    privilege text NOT NULL,
    grantable boolean NOT NULL,
    taken     boolean NOT NULL,
    PRIMARY KEY (class, object, sub, grantee, privilege, taken)
);
REVOKE ALL ON applet_host.moved_rights FROM PUBLIC;

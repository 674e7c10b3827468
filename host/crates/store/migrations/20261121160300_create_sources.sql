-- Where a package was submitted from: `file`, or `oci://…@sha256:…`. A package from before this table came
-- from a file.
CREATE TABLE applet_host.applet_sources (
    applet_digest text NOT NULL REFERENCES applet_host.applets (digest),
    source        text NOT NULL,
    added_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (applet_digest, source)
);

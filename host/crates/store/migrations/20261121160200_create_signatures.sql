-- Who has signed a package, key (32 bytes) and signature (64 bytes) together. Checked again whenever the
-- operator's policy asks.
CREATE TABLE applet_host.applet_signatures (
    applet_digest text NOT NULL REFERENCES applet_host.applets (digest),
    signature     bytea NOT NULL CHECK (octet_length(signature) = 96),
    added_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (applet_digest, signature)
);

-- Uninstalling is an operation like installing. `upgrade` is let through as well, so that either may come first.
ALTER TABLE applet_host.operations
    DROP CONSTRAINT IF EXISTS operations_kind_check,
    ADD CONSTRAINT operations_kind_check CHECK (kind IN ('install', 'upgrade', 'uninstall'));

-- 100 tenants with 1,000 clients and a chat each, for `make bench-http`.
INSERT INTO tenants (id, name)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Tenant ' || n FROM generate_series(1, 100) AS n;

INSERT INTO clients (tenant_id, id, first_name, last_name, email, phone, status)
SELECT t.id, n, 'First ' || n, 'Last ' || n, 'client' || n || '@mail.example', '+1-555-' || n, 'active'
FROM tenants AS t, generate_series(1, 1000) AS n;

INSERT INTO chats (tenant_id, id, client_id, subject) SELECT id, 1, 1, 'Benchmark' FROM tenants;

-- Rows above name their ids; new ones start well after them.
SELECT setval(pg_get_serial_sequence('clients', 'id'), 1000000);

-- What the hand-written server records beside each insert.
CREATE TABLE native_audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id  uuid NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    operation  text NOT NULL,
    table_name text NOT NULL,
    row_id     bigint
);
ANALYZE;

-- Two tenants in a small CRM, and everything around it that a second wall has to see through.
CREATE TABLE tenants (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE countries (code char(2) PRIMARY KEY, name text NOT NULL);
CREATE TABLE clients (
    id         bigserial PRIMARY KEY,
    tenant_id  uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    first_name text NOT NULL,
    email      text,
    shout      text GENERATED ALWAYS AS (upper(first_name)) STORED,
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    "Odd Name" text,
    UNIQUE (tenant_id, id),
    UNIQUE (email)
);
CREATE TABLE chats (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id  uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    client_id  bigint NOT NULL,
    "order"    integer,
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id)
);
CREATE TABLE api_keys (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL, key text NOT NULL);
CREATE TABLE settings (key text PRIMARY KEY, value text);
CREATE TABLE notes (id bigserial PRIMARY KEY, tenant_id text NOT NULL);
CREATE TABLE "Mixed" (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL, body text);
CREATE TABLE events (id bigint, tenant_id uuid NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE VIEW all_clients AS SELECT * FROM clients;
CREATE MATERIALIZED VIEW client_counts AS SELECT tenant_id, count(*) FROM clients GROUP BY tenant_id;
CREATE FUNCTION count_all_clients() RETURNS bigint LANGUAGE sql SECURITY DEFINER
    AS 'SELECT count(*) FROM public.clients';
GRANT SELECT ON all_clients, settings TO PUBLIC;
CREATE SCHEMA backoffice;
GRANT USAGE ON SCHEMA backoffice TO PUBLIC;
CREATE TABLE backoffice.payroll (id int, amount int);
GRANT SELECT ON backoffice.payroll TO PUBLIC;

INSERT INTO tenants VALUES
    ('aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'Acme'), ('bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb', 'Bolt');
INSERT INTO countries VALUES ('DE', 'Germany'), ('UZ', 'Uzbekistan');
INSERT INTO clients (tenant_id, first_name, email) VALUES
    ('aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'Anna', 'anna@example.com'),
    ('aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'Boris', 'boris@example.com'),
    ('bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb', 'Berta', 'berta@example.com');
INSERT INTO chats (tenant_id, client_id) VALUES
    ('aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 1), ('bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb', 3);
INSERT INTO api_keys (tenant_id, key) VALUES
    ('aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'sk-a'), ('bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb', 'sk-b');

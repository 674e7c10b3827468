-- Two tenants in a small CRM.
CREATE TABLE tenants (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE users (
    id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    email     text NOT NULL,
    UNIQUE (tenant_id, email)
);
CREATE TABLE clients (
    id         bigserial PRIMARY KEY,
    tenant_id  uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    first_name text NOT NULL,
    phone      varchar(20),
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    UNIQUE (tenant_id, id)
);
CREATE TABLE chats (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id  uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    client_id  bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id)
);
CREATE TABLE chat_messages (
    id          bigserial PRIMARY KEY,
    tenant_id   uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    chat_id     bigint NOT NULL,
    content     text NOT NULL,
    sender_type text NOT NULL CHECK (sender_type IN ('ai', 'user')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant_id, chat_id) REFERENCES chats (tenant_id, id)
);

INSERT INTO tenants VALUES
    ('00000000-0000-0000-0000-0000007e0001', 'Acme'), ('00000000-0000-0000-0000-0000007e0002', 'Bolt');
INSERT INTO users (tenant_id, email) SELECT id, lower(name) || '@example.com' FROM tenants;
INSERT INTO clients (tenant_id, first_name) SELECT id, 'Client of ' || name FROM tenants;
INSERT INTO chats (tenant_id, client_id) SELECT tenant_id, id FROM clients;
INSERT INTO chat_messages (tenant_id, chat_id, content, sender_type) SELECT tenant_id, id, 'Hello', 'ai' FROM chats;

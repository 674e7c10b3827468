-- The two tenants that every SQL case runs against. PostgreSQL 15 and later.
-- Load into an empty database as a superuser.
-- Has no row-level security: `applet sql` prepares the second wall itself.
--
-- Tenants:  A = aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa   B = bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb
-- Every text of a tenant's row carries TENANT-A or TENANT-B; the forbidden table carries FORBIDDEN too.
-- ids: A rows 1.., B rows 101.. (messages A 1..60 and 1001..2300, B 5001..5060 and 6001..7300).
-- "Dirty" soft references (no foreign key) point from A rows to B rows, so that a join that
-- forgets the filter on the joined side shows TENANT-B text:  see the UPDATEs near the end.
BEGIN;
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE TABLE tenants (
  id          uuid PRIMARY KEY,
  name        varchar(255) NOT NULL,
  plan        varchar(50)  NOT NULL DEFAULT 'pro',
  created_at  timestamptz  NOT NULL DEFAULT now()
);

CREATE TABLE countries (           -- global: no tenant_id
  code        char(2) PRIMARY KEY,
  name        varchar(100) NOT NULL,
  region      varchar(50)  NOT NULL,
  dial_code   varchar(8)   NOT NULL
);

CREATE TABLE users (
  id          bigserial PRIMARY KEY,
  tenant_id   uuid NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
  email       varchar(255) NOT NULL UNIQUE,          -- globally unique: an existence oracle
  first_name  varchar(100) NOT NULL,
  last_name   varchar(100) NOT NULL,
  role        varchar(50)  NOT NULL DEFAULT 'agent',
  is_active   boolean NOT NULL DEFAULT true,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  deleted_at  timestamptz,
  UNIQUE (tenant_id, id)
);

CREATE TABLE clients (
  id                bigserial PRIMARY KEY,
  tenant_id         uuid NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
  first_name        varchar(100) NOT NULL,
  last_name         varchar(100),
  phone             varchar(32),
  status            varchar(32) NOT NULL DEFAULT 'lead',
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  deleted_at        timestamptz,
  last_contacted_at timestamptz,
  email             varchar(255),
  -- beyond the specification's list, for joins, jsonb, arrays and numbers
  country_code          char(2) REFERENCES countries(code),
  assigned_user_id      bigint,                       -- soft reference to users.id
  referred_by_client_id bigint,                       -- soft reference to clients.id
  tags                  text[] NOT NULL DEFAULT '{}',
  metadata              jsonb  NOT NULL DEFAULT '{}',
  lifetime_value        numeric(12,2) NOT NULL DEFAULT 0,
  birth_date            date,
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, email)
);

CREATE TABLE chats (
  id               bigserial PRIMARY KEY,
  tenant_id        uuid NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
  client_id        bigint NOT NULL,
  status           varchar(32) NOT NULL DEFAULT 'open',
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  closed_at        timestamptz,
  deleted_at       timestamptz,
  subject          text,
  channel          varchar(20) NOT NULL DEFAULT 'web',
  assigned_user_id bigint,                            -- soft reference to users.id
  external_ref     varchar(100) UNIQUE,               -- globally unique: an existence oracle
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, client_id) REFERENCES clients (tenant_id, id)
);

CREATE TABLE chat_messages (
  id          bigserial PRIMARY KEY,
  tenant_id   uuid NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
  chat_id     bigint NOT NULL,
  content     text NOT NULL,
  sender_type varchar(20) NOT NULL DEFAULT 'client',
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  read_at     timestamptz,
  reply_to_id bigint,                                 -- soft reference to chat_messages.id
  tokens      integer NOT NULL DEFAULT 0,
  metadata    jsonb NOT NULL DEFAULT '{}',
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, chat_id) REFERENCES chats (tenant_id, id)
);
CREATE INDEX ON chat_messages (tenant_id, chat_id);
CREATE INDEX ON chats (tenant_id, client_id);

CREATE TABLE applet_ai_chat_ai_chat_configs (         -- the applet's own table, as in the specification
  id            bigserial PRIMARY KEY,
  tenant_id     uuid NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
  model_name    varchar(100) DEFAULT 'gpt-4',
  system_prompt text,
  temperature   decimal(3,2) DEFAULT 0.7,
  created_at    timestamptz DEFAULT now(),
  updated_at    timestamptz DEFAULT now()
);
CREATE UNIQUE INDEX applet_ai_chat_ai_chat_configs_tenant_id_idx ON applet_ai_chat_ai_chat_configs (tenant_id);

CREATE TABLE api_keys (                               -- forbidden: in no manifest
  id          bigserial PRIMARY KEY,
  tenant_id   uuid NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
  name        varchar(100) NOT NULL,
  key         text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);

INSERT INTO tenants (id, name) VALUES
  ('aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'Acme TENANT-A'),
  ('bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb', 'Bolt TENANT-B');

INSERT INTO countries VALUES
  ('US','United States','Americas','+1'), ('UZ','Uzbekistan','Asia','+998'), ('DE','Germany','Europe','+49'),
  ('FR','France','Europe','+33'), ('JP','Japan','Asia','+81'), ('BR','Brazil','Americas','+55');

-- one row per tenant: its id, its marker, its id offset, a factor that keeps its numbers apart
CREATE TEMP TABLE t_ (tid uuid, m text, o int, k int) ON COMMIT DROP;
INSERT INTO t_ VALUES ('aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa','TENANT-A',0,1),
                      ('bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb','TENANT-B',100,1000);

INSERT INTO users (id, tenant_id, email, first_name, last_name, role, is_active, created_at, updated_at, deleted_at)
SELECT o + n, tid, format('user%s.%s@example.com', n, m),
       (ARRAY['Uma','Vic','Wes','Xia','Yan'])[n] || ' ' || m, 'Staff ' || m,
       (ARRAY['admin','agent','agent','manager','agent'])[n], n <> 3,
       date_trunc('day', now()) - make_interval(days => 100 - n), date_trunc('day', now()),
       CASE WHEN n = 5 THEN date_trunc('day', now()) END
FROM t_, generate_series(1,5) n;

INSERT INTO clients (id, tenant_id, first_name, last_name, phone, status, created_at, updated_at, deleted_at,
                     last_contacted_at, email, country_code, assigned_user_id, tags, metadata, lifetime_value, birth_date)
SELECT o + n, tid,
       (ARRAY['Anna','Boris','Clara','Dan','Eve','Farid','Gita','Hugo','Ivan','Jane','Karl','Lena'])[n] || ' ' || m,
       (ARRAY['Adams','Brown','Clark','Davis','Evans','Frank','Green','Hill','Irwin','Jones','King','Lopez'])[n] || ' ' || m,
       format('+1-555-%s-%s', lpad(n::text,4,'0'), m),
       (ARRAY['active','active','lead','lead','inactive','active','lead','vip','active','inactive','active','lead'])[n],
       date_trunc('day', now()) - make_interval(days => n * 7) + interval '9 hours',
       date_trunc('day', now()) - make_interval(days => n),
       CASE WHEN n IN (11,12) THEN date_trunc('day', now()) - interval '1 day' END,
       CASE WHEN n % 3 <> 0 THEN date_trunc('day', now()) - make_interval(days => n * 2) END,
       CASE WHEN n = 10 THEN NULL ELSE format('client%s.%s@example.com', n, m) END,
       (ARRAY['US','UZ','DE',NULL,'FR','US','UZ','JP','US','DE',NULL,'BR'])[n],
       CASE WHEN n % 4 = 0 THEN NULL ELSE o + 1 + n % 4 END,
       CASE n % 3 WHEN 0 THEN ARRAY['hot', m] WHEN 1 THEN ARRAY['cold','newsletter', m] ELSE ARRAY[m] END,
       jsonb_build_object('source', (ARRAY['web','ads','referral'])[1 + n % 3], 'score', n * 10, 'owner', m,
                          'address', jsonb_build_object('city', 'City' || n || ' ' || m, 'zip', 1000 + n),
                          'labels', jsonb_build_array('l' || n, m)),
       (n * 100.50 * k)::numeric(12,2),
       date '1980-01-15' + (n * 400)
FROM t_, generate_series(1,12) n;

INSERT INTO chats (id, tenant_id, client_id, status, created_at, updated_at, closed_at, deleted_at, subject, channel, assigned_user_id, external_ref)
SELECT o + n, tid, o + 1 + n % 8,
       (ARRAY['open','closed','pending'])[1 + n % 3],
       date_trunc('day', now()) - make_interval(days => n * 3) + interval '10 hours',
       date_trunc('day', now()) - make_interval(days => n),
       CASE WHEN n % 3 = 1 THEN date_trunc('day', now()) - make_interval(days => n) END,
       CASE WHEN n = 14 THEN date_trunc('day', now()) END,
       format('Subject %s %s', n, m), (ARRAY['web','whatsapp','telegram'])[1 + n % 3],
       CASE WHEN n % 5 = 0 THEN NULL ELSE o + 1 + n % 4 END,
       format('ref-%s-%s', m, n)
FROM t_, generate_series(1,15) n;

INSERT INTO chat_messages (id, tenant_id, chat_id, content, sender_type, created_at, updated_at, read_at, reply_to_id, tokens, metadata)
SELECT CASE o WHEN 0 THEN n ELSE 5000 + n END, tid, o + 1 + (n - 1) / 4,
       format('Message %s for chat %s: %s %s', n, 1 + (n - 1) / 4, (ARRAY['hello','invoice','refund please','thanks'])[1 + n % 4], m),
       (ARRAY['client','agent','ai','client'])[1 + n % 4],
       date_trunc('day', now()) - make_interval(hours => n * 5),
       date_trunc('day', now()) - make_interval(hours => n * 5),
       CASE WHEN n % 2 = 0 THEN date_trunc('day', now()) END,
       CASE WHEN n % 4 <> 1 THEN CASE o WHEN 0 THEN n - 1 ELSE 5000 + n - 1 END END,
       n * k, jsonb_build_object('lang', (ARRAY['en','de'])[1 + n % 2], 'who', m)
FROM t_, generate_series(1,60) n;

-- bulk rows: more than the 1000-row cap, in both tenants
INSERT INTO chat_messages (id, tenant_id, chat_id, content, sender_type, created_at, updated_at, tokens)
SELECT CASE o WHEN 0 THEN 1000 + n ELSE 6000 + n END, tid, o + 15, format('Bulk %s %s', n, m), 'ai',
       date_trunc('day', now()) - interval '200 days' - make_interval(mins => n), date_trunc('day', now()), 1
FROM t_, generate_series(1,1300) n;

INSERT INTO applet_ai_chat_ai_chat_configs (id, tenant_id, model_name, system_prompt, temperature)
SELECT o + 1, tid, 'gpt-4', 'You help ' || m, CASE o WHEN 0 THEN 0.50 ELSE 0.90 END FROM t_;

INSERT INTO api_keys (id, tenant_id, name, key)
SELECT o + n, tid, 'FORBIDDEN key ' || n || ' ' || m, format('sk-FORBIDDEN-%s-%s', n, m) FROM t_, generate_series(1,3) n;

-- dirty soft references from A into B (and, symmetrically, from B into A)
UPDATE clients SET assigned_user_id = 102      WHERE id = 6;
UPDATE clients SET assigned_user_id = 2        WHERE id = 106;
UPDATE clients SET referred_by_client_id = 1   WHERE id IN (2,3);
UPDATE clients SET referred_by_client_id = 101 WHERE id IN (7,102,103);
UPDATE clients SET referred_by_client_id = 1   WHERE id = 107;
UPDATE chats   SET assigned_user_id = 101      WHERE id IN (3,9);
UPDATE chats   SET assigned_user_id = 1        WHERE id IN (103,109);
UPDATE chat_messages SET reply_to_id = 5001    WHERE id = 5;
UPDATE chat_messages SET reply_to_id = 1       WHERE id = 5005;

SELECT setval('users_id_seq', 100000), setval('clients_id_seq', 100000), setval('chats_id_seq', 100000),
       setval('chat_messages_id_seq', 100000), setval('applet_ai_chat_ai_chat_configs_id_seq', 100000), setval('api_keys_id_seq', 100000);
COMMIT;
ANALYZE;

-- Two tenants of the small CRM. Safe to run again.

INSERT INTO tenants (id, name) VALUES
    ('11111111-1111-4111-8111-111111111111', 'Alder Dental'),
    ('22222222-2222-4222-8222-222222222222', 'Birch Realty')
ON CONFLICT DO NOTHING;

INSERT INTO users (tenant_id, id, email, first_name, last_name, role) VALUES
    ('11111111-1111-4111-8111-111111111111', 1, 'ada@alder.example', 'Ada', 'Alder', 'admin'),
    ('11111111-1111-4111-8111-111111111111', 2, 'amir@alder.example', 'Amir', 'Aziz', 'agent'),
    ('22222222-2222-4222-8222-222222222222', 1, 'bea@birch.example', 'Bea', 'Birch', 'admin')
ON CONFLICT DO NOTHING;

INSERT INTO clients (tenant_id, id, first_name, last_name, email, phone, status, lifetime_value) VALUES
    ('11111111-1111-4111-8111-111111111111', 1, 'Anna', 'Adams', 'anna@mail.example', '+1-555-0101', 'active', 1200.50),
    ('11111111-1111-4111-8111-111111111111', 2, 'Arthur', 'Archer', 'arthur@mail.example', '+1-555-0102', 'lead', 0),
    ('11111111-1111-4111-8111-111111111111', 3, 'Aisha', 'Amin', 'aisha@mail.example', '+1-555-0103', 'active', 310),
    ('22222222-2222-4222-8222-222222222222', 1, 'Boris', 'Brown', 'boris@mail.example', '+1-555-0201', 'active', 98000),
    ('22222222-2222-4222-8222-222222222222', 2, 'Bianca', 'Bell', 'bianca@mail.example', '+1-555-0202', 'lead', 0)
ON CONFLICT DO NOTHING;

INSERT INTO chats (tenant_id, id, client_id, subject, status) VALUES
    ('11111111-1111-4111-8111-111111111111', 1, 1, 'Appointment on Friday', 'open'),
    ('11111111-1111-4111-8111-111111111111', 2, 3, 'Invoice question', 'closed'),
    ('22222222-2222-4222-8222-222222222222', 1, 1, 'Viewing of the lake house', 'open')
ON CONFLICT DO NOTHING;

INSERT INTO chat_messages (tenant_id, id, chat_id, content, sender_type) VALUES
    ('11111111-1111-4111-8111-111111111111', 1, 1, 'Can I come at nine?', 'client'),
    ('11111111-1111-4111-8111-111111111111', 2, 2, 'Thank you, all clear.', 'client'),
    ('22222222-2222-4222-8222-222222222222', 1, 1, 'Is the price final?', 'client')
ON CONFLICT DO NOTHING;

INSERT INTO invoices (tenant_id, id, number, total) VALUES
    ('11111111-1111-4111-8111-111111111111', 1, 'A-2026-001', 240),
    ('22222222-2222-4222-8222-222222222222', 1, 'B-2026-001', 9800)
ON CONFLICT DO NOTHING;

-- Rows above name their ids; new ones start well after them.
SELECT setval(pg_get_serial_sequence('users', 'id'), greatest(1000, (SELECT max(id) FROM users))),
       setval(pg_get_serial_sequence('clients', 'id'), greatest(1000, (SELECT max(id) FROM clients))),
       setval(pg_get_serial_sequence('chats', 'id'), greatest(1000, (SELECT max(id) FROM chats))),
       setval(pg_get_serial_sequence('chat_messages', 'id'), greatest(1000, (SELECT max(id) FROM chat_messages))),
       setval(pg_get_serial_sequence('invoices', 'id'), greatest(1000, (SELECT max(id) FROM invoices)));

-- Outbox of one information system, in its own database.

--- 1: messages to send, attempts, messages received, what people did

create schema delivery;

create table delivery.outbox (
    message_id   uuid primary key,
    -- Given under a lock on the key that is held until commit, so within a key it is the order of the commits.
    position     bigint generated always as identity unique,
    ordering_key text not null,
    issue        text not null,
    service      text not null,
    path         text not null,
    purpose      text,
    legal_basis  text,
    body         bytea not null,
    posted_at    timestamptz not null,
    deadline     timestamptz not null,
    state        text not null default 'waiting' check (state in ('waiting', 'delivered', 'dead', 'set_aside')),
    attempts     int not null default 0,
    next_at      timestamptz not null,
    leased_until timestamptz,
    settled_at   timestamptz,
    cause        text,
    check ((state = 'waiting') = (settled_at is null))
);
create index outbox_due on delivery.outbox (next_at) where state = 'waiting';
create index outbox_head on delivery.outbox (ordering_key, position) where state in ('waiting', 'dead');
create index outbox_issue on delivery.outbox (issue);

create table delivery.attempt (
    attempt_id uuid primary key,
    message_id uuid not null references delivery.outbox on delete cascade,
    number     int not null,
    began_at   timestamptz not null,
    ended_at   timestamptz,
    verdict    text check (verdict in ('delivered', 'temporary', 'permanent')),
    cause      text,
    request_id text,
    receipt    bytea,
    unique (message_id, number),
    check ((verdict is null) = (ended_at is null))
);

create table delivery.inbox (
    sender      text not null,
    message_id  uuid not null,
    sha512      bytea not null check (octet_length(sha512) = 64),
    received_at timestamptz not null default now(),
    attempt_id  text,
    request_id  text,
    answer      text,
    primary key (sender, message_id)
);

create table delivery.action (
    at         timestamptz not null,
    who        text not null,
    message_id uuid not null references delivery.outbox on delete cascade,
    action     text not null check (action in ('send_again', 'set_aside')),
    note       text
);

--- 2: what was received stands in adapter_effect, as every other effect

drop table delivery.inbox;

--- 3: posting is one call

-- The lock on the key is held until commit, so that positions are given in the order of commits.
create function delivery.post(uuid, text, text, text, text, text, text, bytea, timestamptz, timestamptz) returns void
language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtextextended($2, 0));
    insert into delivery.outbox
        (message_id, ordering_key, issue, service, path, purpose, legal_basis, body, posted_at, next_at, deadline)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10) on conflict (message_id) do nothing;
    perform pg_notify('delivery_posted', '');
end
$$;

-- The framework's own tables, in the database of every adapter. A new step is a new section at the end; an applied one is never edited.

--- 1: what was done under which idempotency key, which invented records were loaded

-- Written in the transaction of the effect: either both are there or neither.
create table adapter_effect (
    client    text not null,               -- X-Road client, '' for a direct call: keys of two clients are two keys
    operation text not null,               -- method and path template
    key       text not null,
    request   bytea not null check (octet_length(request) = 32),  -- SHA-256 of path, query and body
    answer    bytea,                       -- JSON as it was sent; null only inside the transaction
    done_at   timestamptz not null default now(),
    primary key (client, operation, key)
);
create index adapter_effect_age on adapter_effect (done_at);

-- Written last, in the transaction that loads the records.
create table adapter_seed (
    only_row  boolean primary key default true check (only_row),
    version   text not null,
    loaded_at timestamptz not null default now()
);

--- 2: a key is known for good, its answer in time erased; under which exchange the effect was made

alter table adapter_effect add column message_id text, add column request_id text;  -- X-Road ids, null for a direct call
drop index adapter_effect_age;
create index adapter_effect_age on adapter_effect (done_at) where answer is not null;

-- Notices as facilities sent them. A new step is a new section at the end; an applied one is never edited.
-- The constraints refuse every number but those of province 999: notices about real people cannot be taken in by mistake.

--- 1: notices

create schema yte;

create table yte.notice (
    number      text primary key check (number ~ '^(CS|BT)-999[0-9]{2}-[0-9]{4}-[0-9]{6}$'),
    kind        text not null check (kind in ('birth', 'death')),
    facility    text not null check (facility ~ '^999[0-9]{2}$'),
    mother_id   text check (mother_id ~ '^999[0-9]{9}$'),
    father_id   text check (father_id ~ '^999[0-9]{9}$'),
    deceased_id text check (deceased_id ~ '^999[0-9]{9}$'),
    document    bytea not null,
    received_at timestamptz not null default now(),
    check ((kind = 'birth') = (mother_id is not null) and (kind = 'death') = (deceased_id is not null))
);

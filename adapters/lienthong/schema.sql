-- Dossiers of linked procedures. Numbers and names of persons stand in `content` and `question`, and nowhere else.

--- 1: dossiers, what they hold, what happened, who is asked

create schema lienthong;
create sequence lienthong.number;

create table lienthong.dossier (
    id          text primary key,
    procedure   text not null,
    province    text not null,
    opened_at   timestamptz not null,
    clock_until timestamptz not null,
    status      text not null,
    -- Of the leg that the dossier is at, for the operators' page; the whole of it is `state`.
    leg         text,
    leg_status  text,
    leg_since   timestamptz,
    leg_due     timestamptz,
    reason      text,
    closed_at   timestamptz,
    next_tick   timestamptz,
    state       jsonb not null
);
create index dossier_tick on lienthong.dossier (next_tick) where next_tick is not null;
create index dossier_open on lienthong.dossier (leg_due) where status in ('open', 'withdrawing');

create table lienthong.content (
    dossier text not null references lienthong.dossier,
    part    text not null,
    value   jsonb not null,
    primary key (dossier, part)
);

create table lienthong.entry (
    dossier text not null references lienthong.dossier,
    number  bigint generated always as identity,
    at      timestamptz not null,
    kind    text not null,
    leg     text,
    role    text,
    code    text,
    who     text not null,
    primary key (dossier, number)
);

-- A question to one person. Silence stays null; an answer is there only with the signed statement of the identity provider.
create table lienthong.question (
    id         uuid primary key,
    dossier    text not null references lienthong.dossier,
    role       text not null,
    person     text not null,
    asked_at   timestamptz not null,
    reminders  int not null default 0,
    closed_at  timestamptz,
    decision   text check (decision in ('granted', 'refused')),
    statement  text,
    check ((decision is null) = (statement is null)),
    check (decision is null or closed_at is not null)
);
create index question_person on lienthong.question (person);
create index question_dossier on lienthong.question (dossier, role);

-- Returns that were refused because their reason is none.
create table lienthong.refused_return (
    sender     text not null,
    message_id text not null,
    at         timestamptz not null,
    dossier    text not null,
    leg        text not null,
    cause      text not null,
    code       text,
    primary key (sender, message_id)
);

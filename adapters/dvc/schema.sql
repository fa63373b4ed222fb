-- The national portal's own tables. A new step is a new section at the end; an applied one is never edited.
-- The constraints refuse every number but those of province 999: data of real people cannot be loaded by mistake.

--- 1: procedures, accounts, dossiers with their history and results, notifications

create schema dvc;

create table dvc.procedure (
    code      text primary key,
    title_vi  text not null,
    title_en  text not null,
    agency_vi text not null,
    agency_en text not null,
    days      int not null check (days > 0)
);

create table dvc.account (
    person_id text primary key check (person_id ~ '^999[0-9]{9}$'),
    opened_on date not null
);

-- As the agency tells of it that handles it: the portal decides nothing.
create table dvc.dossier (
    number       text primary key,
    agency       text not null,                        -- X-Road client that entered it, the only one that may go on with it
    procedure    text not null references dvc.procedure,
    applicant_id text not null check (applicant_id ~ '^999[0-9]{9}$'),
    filed_at     timestamptz not null,
    due_at       timestamptz,
    state        text not null
);
create index dossier_applicant on dvc.dossier (applicant_id, filed_at desc);

create table dvc.state (
    dossier         text not null references dvc.dossier,
    position        int not null check (position > 0),
    state           text not null
        check (state in ('received', 'processing', 'waiting_consent', 'returned', 'withdrawing', 'finished', 'withdrawn')),
    at              timestamptz not null,
    step            jsonb,                              -- words in two languages, as the agency says them
    agency          jsonb,
    waiting_for     jsonb not null default '[]',
    reason          jsonb,
    primary key (dossier, position),
    check ((state = 'returned') = (reason is not null))
);

create table dvc.result (
    dossier   text not null references dvc.dossier,
    kind      text not null,
    reference text not null,
    title     jsonb not null,
    issued_by jsonb not null,
    at        timestamptz not null,
    primary key (dossier, kind, reference)
);

-- The inbox of a person. Content is codes and references; words are made when it is read.
create table dvc.notification (
    id        bigint generated always as identity primary key,
    person_id text not null check (person_id ~ '^999[0-9]{9}$'),
    dossier   text not null references dvc.dossier,
    kind      text not null,
    role      jsonb,
    count     int,
    answer_by timestamptz,
    reference text,
    at        timestamptz not null
);
create index notification_person on dvc.notification (person_id, id desc);
create index notification_dossier on dvc.notification (dossier);

--- 2: who is signed in at the pages

-- A sign-in under way. Browsers hold random tokens, these tables their SHA-256.
create table dvc.login (
    state_hash   bytea primary key,
    browser_hash bytea not null,
    nonce        text not null,
    verifier     text not null,
    language     text not null check (language in ('vi', 'en')),
    made         timestamptz not null
);

create table dvc.session (
    token_hash bytea primary key,
    person_id  text not null check (person_id ~ '^999[0-9]{9}$'),
    name       text not null,
    started    timestamptz not null,
    seen       timestamptz not null
);

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

--- 2: whose dossiers they are, and who is signed in

create table lienthong.party (
    dossier text not null references lienthong.dossier,
    part    text not null,
    person  text not null,
    primary key (dossier, part)
);
create index party_person on lienthong.party (person);

-- A sign-in under way; `question`: the one that is answered with it. Browsers hold random tokens, this table their SHA-256.
create table lienthong.login (
    state_hash   bytea primary key,
    browser_hash bytea not null,
    nonce        text not null,
    verifier     text not null,
    language     text not null check (language in ('vi', 'en')),
    kind         text not null check (kind in ('officer', 'person')),
    question     uuid references lienthong.question,
    made         timestamptz not null
);

create table lienthong.session (
    token_hash bytea primary key,
    kind       text not null check (kind in ('officer', 'person')),
    code       text not null,
    role       text not null,
    words      text not null,
    started    timestamptz not null,
    seen       timestamptz not null
);

-- Open dossiers as an operator sees them at a moment: state, cause and age are computed, never stored.
set local check_function_bodies = off;  -- the tables of delivery may come later
create function lienthong.board(
    at timestamptz, of_procedure text, of_province text, of_leg text, of_cause text, of_age int, of_state text, number_begins text
) returns table (
    id text, procedure text, province text, leg text, leg_status text, shown text, cause text, reason text,
    opened_at timestamptz, leg_due timestamptz, age int, state jsonb
) language sql stable as $$
    with board as (
        select d.id, d.procedure, d.province, d.leg, d.leg_status,
            case when d.leg_status = 'returned' then 'returned' when d.leg_due < at then 'stuck'
                 when d.leg_status = 'consent' then 'consent' else 'running' end as shown,
            case when d.leg_status = 'consent' then 'DY-03'
                 when exists (select from delivery.outbox o where o.issue = d.id and o.state in ('waiting', 'dead')) then 'GD-01'
                 when d.leg = 'registration' then 'BDT-02' else 'KQ-04' end as cause,
            d.reason, d.opened_at, d.leg_due,
            case when d.opened_at > at - interval '1 day' then 0 when d.opened_at > at - interval '4 days' then 1
                 when d.opened_at > at - interval '8 days' then 2 when d.opened_at > at - interval '31 days' then 3 else 4
            end as age, d.state
        from lienthong.dossier d where d.status in ('open', 'withdrawing'))
    select * from board b
    where (of_procedure = '' or b.procedure = of_procedure) and (of_province = '' or b.province = of_province)
        and (of_leg = '' or b.leg = of_leg) and (of_cause = '' or (b.shown = 'stuck' and b.cause = of_cause))
        and (of_age = -1 or b.age = of_age) and (of_state = '' or b.shown = of_state)
        and starts_with(b.id, number_begins)
$$;

--- 3: what the portal was not told yet is no cause for a dossier to be stuck

set local check_function_bodies = off;  -- the tables of delivery may come later
create or replace function lienthong.board(
    at timestamptz, of_procedure text, of_province text, of_leg text, of_cause text, of_age int, of_state text, number_begins text
) returns table (
    id text, procedure text, province text, leg text, leg_status text, shown text, cause text, reason text,
    opened_at timestamptz, leg_due timestamptz, age int, state jsonb
) language sql stable as $$
    with board as (
        select d.id, d.procedure, d.province, d.leg, d.leg_status,
            case when d.leg_status = 'returned' then 'returned' when d.leg_due < at then 'stuck'
                 when d.leg_status = 'consent' then 'consent' else 'running' end as shown,
            case when d.leg_status = 'consent' then 'DY-03'
                 when exists (select from delivery.outbox o where o.issue = d.id and o.path like '%/legs/%'
                              and o.state in ('waiting', 'dead')) then 'GD-01'
                 when d.leg = 'registration' then 'BDT-02' else 'KQ-04' end as cause,
            d.reason, d.opened_at, d.leg_due,
            case when d.opened_at > at - interval '1 day' then 0 when d.opened_at > at - interval '4 days' then 1
                 when d.opened_at > at - interval '8 days' then 2 when d.opened_at > at - interval '31 days' then 3 else 4
            end as age, d.state
        from lienthong.dossier d where d.status in ('open', 'withdrawing'))
    select * from board b
    where (of_procedure = '' or b.procedure = of_procedure) and (of_province = '' or b.province = of_province)
        and (of_leg = '' or b.leg = of_leg) and (of_cause = '' or (b.shown = 'stuck' and b.cause = of_cause))
        and (of_age = -1 or b.age = of_age) and (of_state = '' or b.shown = of_state)
        and starts_with(b.id, number_begins)
$$;

--- 4: a question that nobody answered in time is told apart from one that was not needed any more

alter table lienthong.question add column expired boolean not null default false;
alter table lienthong.question add constraint question_expired check (not expired or (closed_at is not null and decision is null));

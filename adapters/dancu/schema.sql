-- The population register's own tables. A new step is a new section at the end; an applied one is never edited.
-- The constraints refuse every number but those of province 999: data of real people cannot be loaded by mistake.

--- 1: persons, households, the stamp of what was loaded

create schema dancu;

create table dancu.person (
    id                 text primary key check (id ~ '^999[0-9]{9}$'),
    full_name          text not null check (full_name <> '' and full_name is nfc normalized),
    sex                text not null check (sex in ('Nam', 'Nữ')),
    birth_date         date not null,
    birth_place        text not null,
    nationality        text not null,
    ethnicity          text not null,
    religion           text,
    marital_status     text not null check (marital_status in ('Chưa kết hôn', 'Đã kết hôn', 'Ly hôn', 'Góa')),
    permanent_line     text not null,
    permanent_commune  text not null,
    permanent_province text not null,
    current_line       text not null,
    current_commune    text not null,
    current_province   text not null,
    father_id          text references dancu.person deferrable initially deferred,
    mother_id          text references dancu.person deferrable initially deferred,
    spouse_id          text references dancu.person deferrable initially deferred,
    status             text not null check (status in ('Còn sống', 'Đã mất')),
    death_date         date,
    previous_ids       text[] not null default '{}',
    as_of              date not null,
    check ((status = 'Đã mất') = (death_date is not null)),
    check (death_date >= birth_date),
    -- The number itself says sex and birth year.
    check ((substr(id, 4, 1)::int % 2 = 1) = (sex = 'Nữ')),
    check (1900 + substr(id, 4, 1)::int / 2 * 100 + substr(id, 5, 2)::int = extract(year from birth_date))
);

create table dancu.household (
    code     text primary key check (code ~ '^H999[0-9]{8}$'),
    line     text not null,
    commune  text not null,
    province text not null,
    as_of    date not null
);

create table dancu.household_member (
    household_code text not null references dancu.household,
    position       int not null check (position > 0),
    person_id      text not null unique references dancu.person,
    relation       text not null,
    primary key (household_code, position),
    check ((position = 1) = (relation = 'Chủ hộ'))
);

-- One row: which population this is. Written last, in the transaction that loads it.
create table dancu.population (
    only_row   boolean primary key default true check (only_row),
    version    text not null,
    persons    int not null,
    households int not null,
    loaded_at  timestamptz not null default now()
);

--- 2: numbers issued to newborns, changes of residence, deaths

create table dancu.issued_number (
    birth_registration text primary key,                     -- one birth, one number
    person_id          text not null unique references dancu.person,
    issued_at          timestamptz not null default now()
);

create table dancu.residence_change (
    number              bigint generated always as identity primary key,
    person_id           text not null references dancu.person,
    household_code      text not null references dancu.household,
    change              text not null check (change in ('registered', 'deceased', 'moved', 'other')),
    householder_consent text check ((householder_consent is not null) = (change = 'registered')),
    effective_on        date not null,
    recorded_at         timestamptz not null default now()
);
create index residence_change_person on dancu.residence_change (person_id);

create table dancu.death (
    person_id          text primary key references dancu.person,   -- nobody dies twice
    death_registration text not null unique,
    recorded_at        timestamptz not null default now()
);

-- The civil-status register's own tables. A new step is a new section at the end; an applied one is never edited.
-- The constraints refuse every number but those of province 999: data of real people cannot be loaded by mistake.

--- 1: the book, births, marriages, deaths, certified copies

create schema hotich;

-- The last number of each book. A row is locked until the entry is committed, so the numbers of a book have no gaps.
create table hotich.book (
    letters text not null check (letters in ('KS', 'KH', 'KT', 'TL')),
    year    int not null,
    last    int not null check (last > 0),
    primary key (letters, year)
);

create table hotich.birth (
    number        text primary key check (number ~ '^KS-[0-9]{4}-[0-9]{6}$'),
    registered_on date not null,
    office        text not null,
    notice_number text unique,                               -- giấy chứng sinh: one birth, one entry
    child_name    text not null check (child_name <> '' and child_name is nfc normalized),
    sex           text not null check (sex in ('Nam', 'Nữ')),
    birth_date    date not null check (birth_date <= registered_on),
    birth_place   text not null,
    ethnicity     text not null,
    child_id      text unique check (child_id ~ '^999[0-9]{9}$'),
    mother_id     text check (mother_id ~ '^999[0-9]{9}$'),
    father_id     text check (father_id ~ '^999[0-9]{9}$'),
    declarant_id  text check (declarant_id ~ '^999[0-9]{9}$')
);
create index birth_mother on hotich.birth (mother_id);
create index birth_father on hotich.birth (father_id);

create table hotich.marriage (
    number        text primary key check (number ~ '^KH-[0-9]{4}-[0-9]{6}$'),
    registered_on date not null,
    office        text not null,
    husband_id    text not null check (husband_id ~ '^999[0-9]{9}$'),
    husband_name  text not null,
    wife_id       text not null check (wife_id ~ '^999[0-9]{9}$'),
    wife_name     text not null,
    ended_on      date
);
create unique index marriage_husband on hotich.marriage (husband_id) where ended_on is null;   -- nobody is married twice
create unique index marriage_wife on hotich.marriage (wife_id) where ended_on is null;

create table hotich.death (
    number        text primary key check (number ~ '^KT-[0-9]{4}-[0-9]{6}$'),
    registered_on date not null,
    office        text not null,
    notice_number text unique,                               -- giấy báo tử
    person_id     text not null unique check (person_id ~ '^999[0-9]{9}$'),
    full_name     text not null check (full_name <> '' and full_name is nfc normalized),
    death_date    date not null check (death_date <= registered_on),
    death_place   text not null,
    declarant_id  text check (declarant_id ~ '^999[0-9]{9}$')
);

-- Trích lục: what was signed, byte for byte.
create table hotich.copy (
    copy_number  text primary key check (copy_number ~ '^TL-[0-9]{4}-[0-9]{6}$'),
    registration text not null,
    document     bytea not null,
    signature    text not null,
    persons      text[] not null check (cardinality(persons) > 0),
    issued_on    date not null
);
create index copy_registration on hotich.copy (registration);

-- Social insurance's own tables. A new step is a new section at the end; an applied one is never edited.
-- The constraints refuse every number but invented ones: personal numbers of province 999, insurance numbers that begin with 99.

--- 1: insured persons, contributions, health-insurance cards, benefits

create schema bhxh;

create sequence bhxh.insurance_order start 50000001;   -- invented records count from 1

create table bhxh.insured (
    insurance_number text primary key check (insurance_number ~ '^99[0-9]{8}$'),
    person_id        text not null unique check (person_id ~ '^999[0-9]{9}$'),
    full_name        text not null check (full_name <> '' and full_name is nfc normalized),
    sex              text not null check (sex in ('Nam', 'Nữ')),
    birth_date       date not null,
    scheme           text check (scheme in ('Bắt buộc', 'Tự nguyện')),
    status           text not null check (status in ('Chưa tham gia', 'Đang đóng', 'Bảo lưu', 'Hưởng lương hưu', 'Đã mất')),
    as_of            date not null
);

-- One row for each employment with one salary; months as the first of the month, `to_month` included.
create table bhxh.contribution (
    insurance_number text not null references bhxh.insured,
    position         int not null check (position > 0),
    from_month       date not null check (extract(day from from_month) = 1),
    to_month         date check (extract(day from to_month) = 1 and to_month >= from_month),
    employer         text not null,
    salary_vnd       bigint not null check (salary_vnd > 0),
    primary key (insurance_number, position)
);

create table bhxh.health_card (
    card_number text primary key check (card_number ~ '^(TE|HS|DN|GD|HT)[1-5][0-9]{2}99[0-9]{8}$'),
    person_id   text not null check (person_id ~ '^999[0-9]{9}$'),
    facility    text not null,
    valid_from  date not null,
    valid_to    date not null check (valid_to >= valid_from),
    issued_at   timestamptz not null default now(),
    cancelled   boolean not null default false
);
create index health_card_person on bhxh.health_card (person_id, valid_from);

create table bhxh.death_benefit (
    deceased_id        text primary key references bhxh.insured (person_id),   -- one death, one payment
    claim_number       text not null unique,
    claimant_id        text not null check (claimant_id ~ '^999[0-9]{9}$'),
    death_date         date not null,
    death_registration text not null unique,
    months             int not null check (months >= 0),
    funeral_vnd        bigint not null check (funeral_vnd > 0),
    survivors_vnd      bigint not null check (survivors_vnd >= 0),
    decided_on         date not null
);
create sequence bhxh.claim_order;

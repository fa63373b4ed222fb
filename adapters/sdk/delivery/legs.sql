-- Legs of linked procedures at an agency, in its own database.

--- 1: what was asked, and the message that told the outcome

create table delivery.leg (
    dossier_id      text not null,
    leg             text not null,
    action          text not null check (action in ('do', 'undo')),
    round           int not null check (round > 0),
    asked_at        timestamptz not null,
    purpose         text,
    outcome         text check (outcome in ('done', 'returned', 'undone')),
    outcome_message uuid,
    told_at         timestamptz,
    primary key (dossier_id, leg, action, round),
    check ((outcome is null) = (outcome_message is null))
);

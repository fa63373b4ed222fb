"""The pages of the coordinator: for operators, without anybody's name or number; for the persons of a dossier, about their own.

How they look, what guards them, and the course of a sign-in is `gateway/pages`; our side of the identity provider is
`adapters/sdk/identity.py`: an answer to a question comes as its signed statement.

sessions.py   sign-ins under way and sessions
board.py      SQL of the operators' pages; it never reads a person's name or number
consents.py   questions to a person, and the answers
chart.py      open dossiers by state and age, as bars and as the table under them
words.py      what the catalogue says of definitions and times
shown.py      a dossier as pages show it
site.py       what the pages share: languages, sessions, errors
operators.py  the operators' pages
persons.py    a person's page: dossiers, questions
app.py        all of it as one application
"""

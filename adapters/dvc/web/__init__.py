"""The portal's pages for people: what I filed, where it stands, who has to act, why it was returned, what I was given.

Everybody reads about his own dossiers and nobody else's. How the pages look, and what guards them, is `gateway/pages`.

records.py   a person's dossiers and inbox, as the agencies told of them
thread.py    a dossier as a thread of steps, and whose turn it is: pure
reasons.py   the words of the controlled list of reasons of returns and of their legal references
words.py     what the catalogue says of words in two languages
sessions.py  sign-ins under way and sessions
site.py      what the pages share: languages, sign-in, errors
mine.py      the two pages: all dossiers with the inbox, one dossier
app.py       all of it as one application, and its place beside the adapter
"""

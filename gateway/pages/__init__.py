"""What every site for people has in common: how it looks, speaks two languages, and is guarded. No site's own words or rules.

look.py       static files of a site and of all sites (`static/`: one sheet, one mark), templates over one frame (`frame.html`)
words.py      the catalogue of a site's texts, Vietnamese and English; dates and numbers as each language writes them
guard.py      what every answer carries, and what a change must show
signin.py     the way in by an identity provider: what one sign-in needs, and who gets which answer
failure.py    the page of what nobody foresaw
cookies.py    what a browser keeps, and the hashes that a site keeps of it
bars.py       where the bars of a stacked chart stand, in percent of their box

Rule: of a session it knows the tokens, and no database and no other room, so that the citizens' portal and the pages of an adapter
both stand on it.
"""

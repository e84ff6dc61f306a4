"""Delivery (投递): carrying the outbox to the systems, so that nothing is lost, doubled, or sent that must not be.

`pusher` works through one system, `recover` finds out what became of what nobody answered, `merge` settles edits on both
sides by authority, `gate` says whether a system may be written now, `backoff` when to try again, `answers` keeps what the
systems said, `follow` waits for news.
"""

"""The law as code (法规即代码): which fact may go to which system, for which purpose, by which document.

`rules` says what must never flow, `register` holds what is authorised and can be revoked at any time, `check` applies
both to a change before it is sent, `tickets` carries a worker's value for somebody else's field to its authority.
"""

"""The sandbox: a synthetic town and forty stand-in systems that hold their own, dirty view of it (沙箱).

Nobody in it exists: every identity number carries the area code 420199, which was never assigned.
"""

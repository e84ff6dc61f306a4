"""The verbs that join the rooms: pull, consolidate, push, report (拉取、归集、回写、报告)."""

"""The period's report (期间报告): what an auditor reads each month, as HTML, PDF and Excel.

`span` says which days, `collect` and the modules beside it read the numbers from the tables, `page`, `pdf` and `excel` only place
them. A number whose input is missing is 未评价 with the reason, never a full score.
"""

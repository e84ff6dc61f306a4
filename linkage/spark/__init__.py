"""The linkage pipeline on Spark: the same SQL and the same functions, on as many machines as there are.

Nothing else imports this package but who asks for Spark: PySpark is an extra (`pip install 'onefact[spark]'`).
"""

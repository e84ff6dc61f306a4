"""What do we know? Landing files, standardised records, golden records, outbox (着陆区、标准库、主数据、发件箱)."""

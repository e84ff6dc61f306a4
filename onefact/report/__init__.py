"""Reports (报告): Chinese pages that open without network. `demo` shows what a demo did, `period` is the auditor's."""

"""Excel in bulk (批量导入): a template, a dry run, good rows in, bad rows back as the same file with their reasons."""

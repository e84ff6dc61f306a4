"""Any department's form (一表通): its columns matched to the master's fields, filled for a grid, and a gate for new forms."""

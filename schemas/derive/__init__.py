"""Everything that follows from the declaration in `schemas.entities`: PostgreSQL tables, the field catalogue page."""

"""Files as pages of text rows: one module per format, all answering with `Chunk`s.

They are used by every kind of connector that receives files; a reader knows nothing of systems but their id.
"""

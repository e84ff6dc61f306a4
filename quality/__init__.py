"""Is it right? The rule catalogue, the runs over it, scores, agreement, and the gate's question."""

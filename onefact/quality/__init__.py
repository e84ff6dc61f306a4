"""The verbs of quality: run the rules, ask about scores and failing rows, hold the gate, keep work orders."""

"""How one talks to a system: one manifest per system, one module per kind of integration (集成方式)."""

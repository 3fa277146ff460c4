"""Words for true and false, as people and spreadsheets write them in English, Spanish and Portuguese."""

from __future__ import annotations

TRUE_WORDS = frozenset(
    ["true", "yes", "y", "1", "on", "si", "sí", "s", "verdadero", "verdadeiro", "cierto", "sim"]
)
FALSE_WORDS = frozenset(["false", "no", "n", "0", "off", "falso", "não", "nao"])

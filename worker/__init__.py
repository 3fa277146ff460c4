"""How jobs go out: claim, send, classify, decide, record."""

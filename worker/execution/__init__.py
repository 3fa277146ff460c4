"""One job from intent to outcome: the POST with its evidence, its meaning, the retry policy."""

"""What was asked and who answered: surveys, waves, codebooks, privacy, and (in ``polling.store``) their storage."""

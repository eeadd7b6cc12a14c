"""Noise of magnitude MR: how much, how correlated, stabilised and inverted, and made anew."""

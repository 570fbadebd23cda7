"""Real PBXs for the tests: private Debian roots, Asterisk in them, and our module built for each."""

"""`sealrtp peer --zrtp` with linphonec, without a PBX between, and with another of its kind."""

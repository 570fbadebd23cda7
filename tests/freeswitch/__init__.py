"""Calls through a real FreeSWITCH, where the machine has one: stock with its flaws, and with mod_sealrtp."""

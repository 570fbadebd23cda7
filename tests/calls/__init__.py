"""Whole calls through a real PBX: SIPp, phones and scripted end points, with the audio compared."""

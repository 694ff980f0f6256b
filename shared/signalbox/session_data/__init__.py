"""The trading calendars as data: one JSON file each, written by `python -m signalbox.session_data.generate`.

`signalbox.sessions` is their only reader.
"""

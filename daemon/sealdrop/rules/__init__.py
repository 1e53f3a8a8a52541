"""What the domain says of a file: pure rules over a stream of bytes. No I/O, no clock, no randomness, no logging.

Reading goes ``lines`` (bytes to whole lines) → ``csv_text`` (lines to records) → ``engine`` (records to a verdict).
``profile`` is the operator's description of a kind, ``clauses`` the register of every rule, ``report`` the two reports.
"""

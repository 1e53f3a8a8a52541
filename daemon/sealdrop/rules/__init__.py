"""What the domain says of a file. Pure: no I/O, no clock, no randomness, no logging."""

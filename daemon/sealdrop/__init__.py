"""sealdrop: takes each complete file once, checks it, seals it, delivers it and proves that it landed."""

__version__ = "0.1.0"

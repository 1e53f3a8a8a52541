"""Carriers behind the one ``Transport`` port, and decorators over it."""

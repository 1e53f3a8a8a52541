"""The seams: what the flow needs of the world, as contracts. Adapters implement them, tests/fakes too.

Every method MUST raise only errors of ``core.errors``; whatever a library raises is normalised at the boundary.
Methods that touch durable state MUST have made it durable (file and directory synced) when they return.
"""

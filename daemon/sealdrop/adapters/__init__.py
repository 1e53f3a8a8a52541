"""The world, one file per outside thing. Adapters import each other never, except ``durable``."""

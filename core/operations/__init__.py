"""Everything the platform can do for somebody: one definition each, offered on every surface through one gateway."""

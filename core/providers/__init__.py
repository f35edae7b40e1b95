"""The models: one port (`core.providers.port`), one module per provider, and the list of them (`catalogue`)."""

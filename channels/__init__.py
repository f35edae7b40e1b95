"""Translation and nothing else: a platform's events become `Inbound`, a `Rendered` part becomes a platform call."""

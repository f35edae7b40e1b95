"""Telegram: the Bot API through aiogram's client and types, with our own receive loop and webhook.

aiogram's own dispatcher acknowledges before anything is safe; here an update is stored first.
"""

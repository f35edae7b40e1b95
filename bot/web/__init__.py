"""The web: the pages, the chat, and what machines ask for, as one aiohttp application."""

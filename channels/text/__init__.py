"""Markdown as each channel shows it: Telegram's entities, safe HTML, the terminal. Nothing here touches the network."""

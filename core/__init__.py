"""What Prowex does, whatever the channel: inbox, lanes, turns, agent loop, outbox, operations."""

"""Slack: the Web API through slack_sdk's client, with our own Socket Mode loop and request URL.

Slack's own dispatchers acknowledge before anything is safe; here what a person did is stored first.
"""

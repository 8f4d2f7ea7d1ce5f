"""Alerts: conditions read from the ledger, incidents, and messages to channels."""

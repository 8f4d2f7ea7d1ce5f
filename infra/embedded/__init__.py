"""The platform on one machine: every server from a wheel, supervised, bound to 127.0.0.1, all state in one folder."""
